"""Schedules against their closed forms."""

import math

import pytest
import torch

from mlpf import constant_schedule, cosine_schedule, exponential_schedule, onecycle_schedule


def rates(factory, n_steps, **options):
    """Learning rates of `n_steps` optimizer steps that start from 2.0."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = factory(optimizer, **options)
    found = []
    for _ in range(n_steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_exponential_is_a_staircase_in_optimizer_steps():
    found = rates(exponential_schedule, 7, total_steps=7, expdecay_decay_steps=3, rate=0.5)
    assert found == [2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 0.5]


def test_constant_keeps_the_rate():
    assert rates(constant_schedule, 5, total_steps=3) == [2.0] * 5


def test_cosine_ends_at_its_final_factor_and_stays_there():
    found = rates(cosine_schedule, 14, total_steps=10, final_factor=0.1)
    expected = [0.2 + 1.8 * 0.5 * (1 + math.cos(math.pi * min(i, 10) / 10)) for i in range(14)]
    assert found == pytest.approx(expected)


def test_onecycle_rises_to_the_peak_and_falls_to_the_end():
    found = rates(
        onecycle_schedule,
        12,
        total_steps=10,
        warmup_fraction=0.3,
        start_factor=0.04,
        final_factor=0.01,
    )
    assert found[0] == pytest.approx(0.08)
    assert found.index(max(found)) == 3
    assert max(found) == pytest.approx(2.0)
    assert found[10:] == pytest.approx([0.02, 0.02])


def test_a_training_of_no_steps_does_not_divide_by_zero():
    assert rates(cosine_schedule, 2, total_steps=0, final_factor=0.5) == [2.0, 1.0]


@pytest.mark.parametrize(
    ("factory", "options", "message"),
    [
        (
            exponential_schedule,
            {"expdecay_decay_steps": 0, "rate": 0.9},
            "expdecay_decay_steps",
        ),
        (exponential_schedule, {"expdecay_decay_steps": 5, "rate": 1.5}, "rate"),
        (cosine_schedule, {"final_factor": -0.1}, "final_factor"),
        (
            onecycle_schedule,
            {"warmup_fraction": 1.0, "start_factor": 0.1, "final_factor": 0.0},
            "warmup_fraction",
        ),
        (
            onecycle_schedule,
            {"warmup_fraction": 0.3, "start_factor": 0.0, "final_factor": 0.0},
            "factors",
        ),
    ],
)
def test_values_out_of_range_are_refused_by_name(factory, options, message):
    with pytest.raises(ValueError, match=message):
        rates(factory, 1, total_steps=10, **options)
