"""Learning-rate schedules as plain functions of the optimizer step.

Each factory has the signature `(optimizer, total_steps, ...)`, so that the training determines the
number of steps and the configuration all other arguments. A schedule is a factor on `optimizer.lr`
in closed form: a resumed run follows the same curve, and steps after the last keep its value.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from mlpf.config import check_share


def constant_schedule(optimizer: Optimizer, total_steps: int) -> LambdaLR:
    """Return the schedule that keeps the learning rate.

    Args:
        optimizer: its learning rates stay as they are.
        total_steps: not used.

    >>> import torch
    >>> schedule = constant_schedule(torch.optim.SGD([torch.zeros(1)], lr=0.1), total_steps=10)
    >>> schedule.get_last_lr()
    [0.1]
    """
    del total_steps
    return LambdaLR(optimizer, lambda _: 1.0)


def exponential_schedule(
    optimizer: Optimizer, total_steps: int, expdecay_decay_steps: int, rate: float
) -> LambdaLR:
    """Return a staircase: the factor is `rate` ** (step // `expdecay_decay_steps`).

    Args:
        optimizer: its learning rates are the values at step 0.
        total_steps: not used; the decay does not depend on the length of the training.
        expdecay_decay_steps: optimizer steps between two drops, at least 1.
        rate: factor of one drop, in (0, 1].

    Raises:
        ValueError: a value lies outside its range.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    >>> schedule = exponential_schedule(optimizer, 10, expdecay_decay_steps=3, rate=0.5)
    >>> [schedule.lr_lambdas[0](step) for step in (0, 2, 3, 6)]
    [1.0, 1.0, 0.5, 0.25]
    """
    del total_steps
    if expdecay_decay_steps < 1:
        raise ValueError(f"expdecay_decay_steps must be >= 1, got {expdecay_decay_steps}")
    check_share("rate", rate)
    return LambdaLR(optimizer, lambda step: rate ** (step // expdecay_decay_steps))


def cosine_schedule(optimizer: Optimizer, total_steps: int, final_factor: float) -> LambdaLR:
    """Return half a cosine from 1 to `final_factor` at the last step.

    Args:
        optimizer: its learning rates are the values at step 0.
        total_steps: optimizer steps of the whole training.
        final_factor: factor at the last step, in [0, 1].

    Raises:
        ValueError: `final_factor` lies outside its range.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    >>> cosine_schedule(optimizer, total_steps=10, final_factor=0.0).lr_lambdas[0](5)
    0.5
    """
    if not 0 <= final_factor <= 1:
        raise ValueError(f"final_factor must be in [0, 1], got {final_factor}")
    return LambdaLR(optimizer, _arc(0, total_steps, 1.0, final_factor))


def onecycle_schedule(
    optimizer: Optimizer,
    total_steps: int,
    warmup_fraction: float,
    start_factor: float,
    final_factor: float,
) -> LambdaLR:
    """Return the one-cycle policy (arXiv:1708.07120): a cosine up to 1, then one down.

    Args:
        optimizer: its learning rates are the peak values.
        total_steps: optimizer steps of the whole training.
        warmup_fraction: part of the steps spent rising, in (0, 1).
        start_factor: factor at step 0, in (0, 1].
        final_factor: factor at the last step, in [0, 1].

    Raises:
        ValueError: a value lies outside its range.

    >>> import torch
    >>> shape = {"warmup_fraction": 0.3, "start_factor": 0.04, "final_factor": 0.0}
    >>> schedule = onecycle_schedule(torch.optim.SGD([torch.zeros(1)], lr=0.1), 10, **shape)
    >>> [round(schedule.lr_lambdas[0](step), 2) for step in (0, 3, 10)]
    [0.04, 1.0, 0.0]
    """
    if not 0 < warmup_fraction < 1:
        raise ValueError(f"warmup_fraction must be in (0, 1), got {warmup_fraction}")
    if not (0 < start_factor <= 1 and 0 <= final_factor <= 1):
        raise ValueError(f"factors must be in (0, 1], got {start_factor} and {final_factor}")
    peak = max(1, round(warmup_fraction * total_steps))
    rise = _arc(0, peak, start_factor, 1.0)
    fall = _arc(peak, total_steps, 1.0, final_factor)
    return LambdaLR(optimizer, lambda step: rise(step) if step < peak else fall(step))


def _arc(first: int, last: int, start: float, end: float) -> Callable[[int], float]:
    def factor(step: int) -> float:
        progress = min(1.0, (step - first) / max(1, last - first))
        return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * progress))

    return factor
