import pytest
import torch

from mlpf.data.batch import Batch
from mlpf.training.metrics import (
    ClassMetrics,
    accuracy,
    confusion_matrix,
    efficiencies,
    fake_rates,
)


def batch_of(true, rule_based, types):
    n = len(true)
    x, ygen, ycand = torch.zeros(n, 12), torch.zeros(n, 7), torch.zeros(n, 7)
    x[:, 0] = torch.tensor(types)
    ygen[:, 0] = torch.tensor(true)
    ycand[:, 0] = torch.tensor(rule_based)
    return Batch(x, ygen, ycand, torch.tensor([0, n]))


def test_the_confusion_matrix_has_truth_in_rows():
    counts = confusion_matrix(torch.tensor([1, 1, 2, 0]), torch.tensor([1, 2, 2, 5]))
    expected = torch.zeros(6, 6, dtype=torch.int64)
    expected[1, 1] = expected[1, 2] = expected[2, 2] = expected[0, 5] = 1
    assert torch.equal(counts, expected)


def test_efficiency_and_fake_rate_by_hand():
    counts = torch.zeros(6, 6, dtype=torch.int64)
    counts[2, 2], counts[2, 3], counts[3, 2], counts[3, 3] = 6, 2, 3, 9
    assert accuracy(counts).item() == pytest.approx(15 / 20)
    assert efficiencies(counts)[2:4].tolist() == pytest.approx([6 / 8, 9 / 12])
    assert fake_rates(counts)[2:4].tolist() == pytest.approx([3 / 9, 2 / 11])
    assert efficiencies(counts)[5].isnan()


def test_counts_accumulate_over_batches_for_both_algorithms_and_for_towers_alone():
    metrics = ClassMetrics()
    metrics.update(torch.tensor([1, 2, 3]), batch_of([1.0, 2, 2], [1.0, 3, 2], [2.0, 1, 1]))
    metrics.update(torch.tensor([0]), batch_of([0.0], [3.0], [1.0]))
    results = metrics.compute()
    assert results["accuracy"].item() == pytest.approx(3 / 4)
    assert results["tower_accuracy"].item() == pytest.approx(2 / 3)
    assert results["rule_based_accuracy"].item() == pytest.approx(2 / 4)
    assert results["rule_based_tower_accuracy"].item() == pytest.approx(1 / 3)
    assert results["efficiency_neutral_hadron"].item() == pytest.approx(1 / 2)
    assert results["fake_rate_photon"].item() == pytest.approx(1)
    assert results["rule_based_fake_rate_photon"].item() == pytest.approx(1)
    assert results["f1_neutral_hadron"].item() == pytest.approx(2 / 3)
    assert len(results) == 2 * (3 + 2 * 6)


def test_an_empty_batch_counts_nothing():
    metrics = ClassMetrics()
    metrics.update(torch.zeros(0, dtype=torch.int64), batch_of([], [], []))
    assert metrics.confusion.sum() == 0


def test_counts_of_processes_are_summed():
    one, other = ClassMetrics(), ClassMetrics()
    one.update(torch.tensor([1, 2]), batch_of([1.0, 2], [1.0, 2], [2.0, 1]))
    other.update(torch.tensor([3]), batch_of([2.0], [2.0], [1.0]))
    one.merge_state(other)
    assert one.confusion[0, 0].sum() == 3
    assert one.compute()["accuracy"].item() == pytest.approx(2 / 3)


def test_reset_forgets():
    metrics = ClassMetrics()
    metrics.update(torch.tensor([1]), batch_of([1.0], [1.0], [2.0]))
    metrics.reset()
    assert metrics.confusion.sum() == 0
