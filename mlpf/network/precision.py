"""Products of matrices in full float32 precision, whatever is allowed elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch

# The settings of single backends came with PyTorch 2.9.
_BACKENDS: Final[tuple[Any, ...]] = (
    torch.backends.cuda.matmul,
    getattr(torch.backends.mkldnn, "matmul", None),
)


@contextmanager
def full_precision() -> Iterator[None]:
    """Compute float32 products inside with all 24 bits of their factors.

    `torch.set_float32_matmul_precision`, and the flags of the backends, allow TF32 (11 bits) on a
    GPU and bfloat16 (8 bits) on a CPU. Squared distances are small differences of large products
    and would be lost. The setting is that of the process, so other threads see it too. A program
    of `torch.export` has none: it follows the setting of the process that runs it.

    >>> torch.set_float32_matmul_precision("high")
    >>> with full_precision():
    ...     torch.backends.cuda.matmul.allow_tf32
    False
    >>> torch.backends.cuda.matmul.allow_tf32
    True
    >>> torch.set_float32_matmul_precision("highest")
    """
    before = _lift()
    try:
        yield
    finally:
        _restore(before)


# `torch.compile` leaves its program here: inside of it the setting would have no effect.
@torch.compiler.disable  # type: ignore[untyped-decorator]
def _lift() -> tuple[str, list[str]]:
    """Ask for full precision; return what was asked for, of all backends and of each."""
    each = [getattr(backend, "fp32_precision", "") for backend in _BACKENDS]
    try:
        of_all = torch.get_float32_matmul_precision()
    except RuntimeError:  # it does not say what each backend does
        of_all = ""
    torch.set_float32_matmul_precision("highest")
    return of_all, each


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _restore(before: tuple[str, list[str]]) -> None:
    of_all, each = before
    if of_all:
        torch.set_float32_matmul_precision(of_all)
    for backend, value in zip(_BACKENDS, each, strict=True):
        if value:
            backend.fp32_precision = value
