"""Classification quality of the network and of the rule-based algorithm, from counts.

Definitions of [Pata2021]_: with C[j, k] the number of elements of true class j that were assigned
class k, efficiency = C[k, k] / sum_j C[k, j] and fake rate = 1 - C[k, k] / sum_j C[j, k].

.. [Pata2021] arXiv:2101.08578.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from mlpf.data.batch import Batch
from mlpf.schema import N_CLASSES, ElementType, Particle


class ClassMetrics(Metric):
    """Confusion matrices summed over batches and, when computed, over processes.

    Towers are also counted separately: the class of a track is known from its features, so only
    the towers measure the quality of an algorithm.

    State `confusion`: shape (2, 2, 6, 6) int64, indices (algorithm, elements, true class, given
    class); algorithm 0 is the network, 1 the rule-based one; elements 0 are all, 1 the towers.
    """

    full_state_update = False
    confusion: Tensor

    def __init__(self) -> None:
        super().__init__()
        zeros = torch.zeros(2, 2, N_CLASSES, N_CLASSES, dtype=torch.int64)
        self.add_state("confusion", zeros, dist_reduce_fx="sum")

    def update(self, pid: Tensor, batch: Batch) -> None:
        """Count a batch; `pid`, shape (M,) int64, are the classes that the network assigned."""
        true = batch.ygen[:, 0].long()
        tower = batch.x[:, 0] == ElementType.TOWER
        for algorithm, given in enumerate((pid, batch.ycand[:, 0].long())):
            self.confusion[algorithm, 0] += confusion_matrix(true, given)
            self.confusion[algorithm, 1] += confusion_matrix(true[tower], given[tower])

    def compute(self) -> dict[str, Tensor]:
        """Return scalars by name; NaN where no element was counted.

        `accuracy`, `tower_accuracy`, `f1_neutral_hadron`, `efficiency_<class>`,
        `fake_rate_<class>` of the network, the last three over all elements, and the same with the
        prefix `rule_based_` of the baseline.
        Classes: none, charged_hadron, neutral_hadron, photon, electron, muon.
        """
        return quality(self.confusion)


def quality(confusion: Tensor) -> dict[str, Tensor]:
    """Return what `ClassMetrics.compute` does, from its state."""
    results: dict[str, Tensor] = {}
    for prefix, counts in zip(("", "rule_based_"), confusion, strict=True):
        results[f"{prefix}accuracy"] = accuracy(counts[0])
        results[f"{prefix}tower_accuracy"] = accuracy(counts[1])
        for particle, efficiency, fake in zip(
            Particle, efficiencies(counts[0]), fake_rates(counts[0]), strict=True
        ):
            results[f"{prefix}efficiency_{particle.name.lower()}"] = efficiency
            results[f"{prefix}fake_rate_{particle.name.lower()}"] = fake
        neutral = f1_scores(counts[0])[Particle.NEUTRAL_HADRON]
        results[f"{prefix}f1_neutral_hadron"] = neutral
    return results


def confusion_matrix(true: Tensor, given: Tensor) -> Tensor:
    """Return C[j, k], shape (6, 6) int64, from classes of shape (M,) int64, each in 0 to 5."""
    pairs = torch.bincount(true * N_CLASSES + given, minlength=N_CLASSES**2)
    return pairs.view(N_CLASSES, N_CLASSES)


def accuracy(counts: Tensor) -> Tensor:
    """Return the share of elements on the diagonal of a confusion matrix, shape (6, 6)."""
    return counts.diagonal().sum() / counts.sum()


def efficiencies(counts: Tensor) -> Tensor:
    """Return, per class, the share of its true elements that were assigned it, shape (6,)."""
    return counts.diagonal() / counts.sum(1)


def fake_rates(counts: Tensor) -> Tensor:
    """Return, per class, the share of elements assigned to it of another class, shape (6,)."""
    return 1 - counts.diagonal() / counts.sum(0)


def f1_scores(counts: Tensor) -> Tensor:
    """Return, per class, the harmonic mean of efficiency and purity, shape (6,)."""
    return 2 * counts.diagonal() / (counts.sum(0) + counts.sum(1))
