"""Exact epoch figures whatever the batches, and random numbers that can be drawn again."""

import random

import numpy as np
import pytest
import torch

from mlpf.training.module import ElementSums, TrainingModule


def test_means_weigh_each_batch_by_its_elements():
    sums = ElementSums()
    sums.add({"loss": torch.tensor(1.0), "loss_cls": torch.tensor(4.0)}, 1)
    sums.add({"loss": torch.tensor(5.0), "loss_cls": torch.tensor(0.0)}, 3)
    assert sums.means(lambda t: t) == {"loss": 4.0, "loss_cls": 1.0}
    assert sums.means(lambda t: t) == {}


def test_means_add_the_sums_of_all_ranks_before_dividing():
    sums = ElementSums()
    sums.add({"loss": torch.tensor(1.0)}, 1)
    other_rank = torch.tensor([15.0, 3.0], dtype=torch.float64)
    assert sums.means(lambda t: t + other_rank) == {"loss": 4.0}


def test_means_do_not_lose_small_batches_in_large_sums():
    sums = ElementSums()
    for _ in range(1000):
        sums.add({"loss": torch.tensor(0.1)}, 10_000_000)
    assert sums.means(lambda t: t)["loss"] == pytest.approx(float(torch.tensor(0.1)), rel=1e-12)


def test_means_hold_no_graph():
    sums = ElementSums()
    weight = torch.ones((), requires_grad=True)
    sums.add({"loss": weight * 2}, 1)
    assert not sums._sums.requires_grad


def test_a_set_of_empty_events_has_mean_zero():
    sums = ElementSums()
    sums.add({"loss": torch.tensor(0.0)}, 0)
    assert sums.means(lambda t: t) == {"loss": 0.0}


def draws(seed):
    module = TrainingModule(torch.nn.Linear(1, 1), torch.nn.Identity(), None, None, seed)
    module.on_train_epoch_start()
    return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002


def test_each_epoch_draws_the_same_numbers_again_and_other_ones_for_another_seed():
    first = draws(1)
    assert draws(1) == first
    assert all(a != b for a, b in zip(draws(2), first, strict=True))
