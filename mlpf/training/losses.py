"""The training loss, a mean over the M elements of a batch."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlpf.data.batch import Batch
from mlpf.network.model import Prediction, momentum_targets
from mlpf.schema import Particle


class ParticleFlowLoss(nn.Module):
    """Classification of particle and charge plus regression of the momentum.

    Each part is its sum over elements divided by M, the number of elements of the batch. Charge
    and momentum count the elements whose true class is not 0, but are divided by M like the rest.
    So every part, and the total, of a set of events is the mean over its batches weighted by M
    (`len(batch.x)`), however the events are batched.

    Args:
        classification: "ce", cross-entropy, or "focal", the same times (1 - p)^gamma with p the
            probability of the true class ([Lin2017]_).
        focal_gamma: gamma, at least 0; "focal" only.
        huber_delta: where the regression losses change from quadratic to linear, in units of the
            scaled targets of `model.momentum_targets`, greater than 0.
        weight_cls: weight of the classification in the total, at least 0; so the other weights.
        weight_charge: of the charge, a cross-entropy.
        weight_pt: of the transverse momentum.
        weight_eta: of the pseudorapidity. 0.01 in units of 0.1 equals a Huber loss with delta 0.1
            on the angle itself; so for the next two.
        weight_sin_phi: of sin(phi).
        weight_cos_phi: of cos(phi).
        weight_energy: of the energy.

    Raises:
        ValueError: an argument is out of its range.

    >>> labels = torch.zeros(2, 7)
    >>> batch = Batch(torch.ones(2, 12), labels, labels, torch.tensor([0, 2]))
    >>> no_idea = Prediction(torch.zeros(2, 6), torch.zeros(2, 3), torch.zeros(2, 5))
    >>> round(ParticleFlowLoss()(no_idea, batch)["loss"].item(), 3)  # log(6)
    1.792

    .. [Lin2017] Focal loss for dense object detection, arXiv:1708.02002.
    """

    def __init__(
        self,
        *,
        classification: Literal["ce", "focal"] = "ce",
        focal_gamma: float = 2.0,
        huber_delta: float = 1.0,
        weight_cls: float = 1.0,
        weight_charge: float = 1.0,
        weight_pt: float = 1.0,
        weight_eta: float = 0.01,
        weight_sin_phi: float = 0.01,
        weight_cos_phi: float = 0.01,
        weight_energy: float = 1.0,
    ) -> None:
        super().__init__()
        if classification not in ("ce", "focal"):
            raise ValueError(f"classification must be 'ce' or 'focal', got {classification!r}")
        if focal_gamma < 0:
            raise ValueError(f"focal_gamma must be >= 0, got {focal_gamma}")
        if not huber_delta > 0:
            raise ValueError(f"huber_delta must be > 0, got {huber_delta}")
        self.gamma = focal_gamma if classification == "focal" else 0.0
        self.huber_delta = huber_delta
        self.weights = {
            "cls": weight_cls,
            "charge": weight_charge,
            "pt": weight_pt,
            "eta": weight_eta,
            "sin_phi": weight_sin_phi,
            "cos_phi": weight_cos_phi,
            "energy": weight_energy,
        }
        for name, weight in self.weights.items():
            if not isinstance(weight, int | float) or weight < 0:
                raise ValueError(f"weight_{name} must be >= 0, got {weight}")

    def forward(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        """Return the total under `loss` and its parts, not weighted, under `loss_<part>`.

        All are scalars, 0 for a batch without elements. The parts are cls, charge, pt, eta,
        sin_phi, cos_phi and energy.
        """
        # Outside autocast: sums over thousands of rows need float32.
        with torch.autocast(batch.x.device.type, enabled=False):
            sums = self._sums(prediction, batch)
            parts = sums / max(len(batch.x), 1)
            total = (parts * parts.new_tensor(list(self.weights.values()))).sum()
        return {"loss": total} | {
            f"loss_{name}": part for name, part in zip(self.weights, parts, strict=True)
        }

    def _sums(self, prediction: Prediction, batch: Batch) -> Tensor:
        """Sums over elements of the seven parts, shape (7,)."""
        dtype = batch.x.dtype
        pid = batch.ygen[:, 0].long()
        cls = self._classification(prediction.logits.to(dtype), pid)
        charge_index = batch.ygen[:, 1].round().long().clamp(-1, 1) + 1
        predicted, momentum = prediction.charge.to(dtype), prediction.momentum.to(dtype)
        charge = functional.cross_entropy(predicted, charge_index, reduction="none")
        targets = momentum_targets(batch.x, batch.ygen)
        losses = functional.huber_loss(momentum, targets, reduction="none", delta=self.huber_delta)
        per_particle = torch.cat([charge.unsqueeze(1), losses], 1)
        is_particle = (pid != Particle.NONE).unsqueeze(1)
        # where, not a product: targets of class 0 are meaningless and may be infinite.
        return torch.cat([cls.sum().view(1), per_particle.where(is_particle, 0.0).sum(0)])

    def _classification(self, logits: Tensor, pid: Tensor) -> Tensor:
        entropy = functional.cross_entropy(logits, pid, reduction="none")
        if self.gamma == 0.0:
            return entropy
        # The floor keeps the gradient of the power finite where p rounds to 1.
        wrong: Tensor = -torch.expm1(-entropy)
        return entropy * wrong.clamp(min=1e-8).pow(self.gamma)
