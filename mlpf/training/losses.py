"""The training loss, a mean over the M elements of a batch."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlpf.data.batch import Batch
from mlpf.network.decoding import ANGLE_SCALE, Prediction, pt_ratio, pt_unit
from mlpf.network.resolution import FLOOR_GEV, is_tower
from mlpf.schema import Particle

_MAX_PT_GEV = 500.0  # no element weighs more than one of this pt


class ParticleFlowLoss(nn.Module):
    """Classification of particle and charge plus regression of the momentum.

    Each part is a weighted sum over elements divided by M, the number of elements of the batch.
    The weights depend on the element alone: one of pt = 1 GeV weighs 1, whatever else is in the
    batch. So every part, and the total, of a set of events is the mean over its batches weighted
    by M (`len(batch.x)`), however the events are batched or shared by processes.

    The class is learned from all elements with weight pt^power_cls, where pt is the element's.
    So is pt, with weight pt^power_pt: s * Huber((pt - pt_true) / (pt_in s)), with s the element's
    unit `decoding.pt_unit`. The true pt of class 0 is 0: the network learns the mean pt that
    belongs to an element, which is small where it may be nothing, and the sum over an event is
    right. Charge and direction are learned from towers of a true class other than 0; for tracks
    both are measured.

    Args:
        classification: "ce", cross-entropy, or "focal", the same times (1 - p)^gamma with p the
            probability of the true class ([Lin2017]_).
        focal_gamma: gamma, at least 0; "focal" only.
        power_cls: exponent of pt in the weight of the class, at least 0.
        power_pt: exponent of pt in the weight of the transverse momentum, at least 0.
        huber_delta: where the regression losses change from quadratic to linear, in units of s
            and of 0.1 for the direction, greater than 0.
        weight_cls: weight of the classification in the total, at least 0; so the other weights.
        weight_charge: of the charge, a cross-entropy.
        weight_pt: of the transverse momentum.
        weight_eta: of the pseudorapidity. 0.01 in units of 0.1 equals a Huber loss with delta 0.1
            on the angle itself; so for the next two.
        weight_sin_phi: of sin(phi).
        weight_cos_phi: of cos(phi).

    Raises:
        ValueError: an argument is out of its range.

    >>> labels = torch.zeros(2, 7)
    >>> batch = Batch(torch.ones(2, 12), labels, labels, torch.tensor([0, 2]))
    >>> no_idea = Prediction(torch.zeros(2, 6), torch.zeros(2, 3), torch.zeros(2, 4))
    >>> round(ParticleFlowLoss()(no_idea, batch)["loss_cls"].item(), 3)  # log(6)
    1.792

    .. [Lin2017] Focal loss for dense object detection, arXiv:1708.02002.
    """

    def __init__(
        self,
        *,
        classification: Literal["ce", "focal"] = "ce",
        focal_gamma: float = 2.0,
        power_cls: float = 0.5,
        power_pt: float = 1.0,
        huber_delta: float = 1.0,
        weight_cls: float = 1.0,
        weight_charge: float = 1.0,
        weight_pt: float = 1.0,
        weight_eta: float = 0.01,
        weight_sin_phi: float = 0.01,
        weight_cos_phi: float = 0.01,
    ) -> None:
        super().__init__()
        if classification not in ("ce", "focal"):
            raise ValueError(f"classification must be 'ce' or 'focal', got {classification!r}")
        if not huber_delta > 0:
            raise ValueError(f"huber_delta must be > 0, got {huber_delta}")
        self.weights = {
            "cls": weight_cls,
            "charge": weight_charge,
            "pt": weight_pt,
            "eta": weight_eta,
            "sin_phi": weight_sin_phi,
            "cos_phi": weight_cos_phi,
        }
        powers = {"focal_gamma": focal_gamma, "power_cls": power_cls, "power_pt": power_pt}
        for name, value in (
            powers.items() | {f"weight_{k}": v for k, v in self.weights.items()}.items()
        ):
            if not isinstance(value, int | float) or not value >= 0:
                raise ValueError(f"{name} must be >= 0, got {value}")
        self.gamma = focal_gamma if classification == "focal" else 0.0
        self.power_cls, self.power_pt, self.huber_delta = power_cls, power_pt, huber_delta

    def forward(self, prediction: Prediction, batch: Batch) -> dict[str, Tensor]:
        """Return the total under `loss` and its parts, not weighted, under `loss_<part>`.

        All are scalars, 0 for a batch without elements. The parts are cls, charge, pt, eta,
        sin_phi and cos_phi.
        """
        # Outside autocast: sums over thousands of rows need float32.
        with torch.autocast(batch.x.device.type, enabled=False):
            parts = self._sums(prediction, batch) / max(len(batch.x), 1)
            total = (parts * parts.new_tensor(list(self.weights.values()))).sum()
        return {"loss": total} | {
            f"loss_{name}": part for name, part in zip(self.weights, parts, strict=True)
        }

    def _sums(self, prediction: Prediction, batch: Batch) -> Tensor:
        """Sums over elements of the six parts, shape (6,)."""
        x, ygen = batch.x, batch.ygen
        pid, momentum = ygen[:, 0].long(), prediction.momentum.to(x.dtype)
        pt = x[:, 1].clamp(FLOOR_GEV, _MAX_PT_GEV)
        cls = self._classification(prediction.logits.to(x.dtype), pid) * pt**self.power_cls
        per_element = torch.stack([cls, self._pt(momentum[:, 0], batch) * pt**self.power_pt], 1)
        charge = ygen[:, 1].round().long().clamp(-1, 1) + 1
        of_charge = functional.cross_entropy(
            prediction.charge.to(x.dtype), charge, reduction="none"
        )
        off = momentum[:, 1:] - (ygen[:, 3:6] - x[:, 2:5]) / ANGLE_SCALE
        per_particle = torch.cat([of_charge.unsqueeze(1), self._huber(off)], 1)
        # where, not a product: the direction of class 0 is meaningless and may be infinite.
        learns = (is_tower(x) & (pid != Particle.NONE)).unsqueeze(1)
        cls_sum, pt_sum = per_element.sum(0)
        charge_sum, *angles = per_particle.where(learns, 0.0).sum(0)
        return torch.stack([cls_sum, charge_sum, pt_sum, *angles])

    def _pt(self, output: Tensor, batch: Batch) -> Tensor:
        unit = pt_unit(batch.x)
        true = batch.ygen[:, 2] / batch.x[:, 1].clamp(min=FLOOR_GEV)
        return unit * self._huber((pt_ratio(output, batch.x) - true) / unit)

    def _huber(self, residual: Tensor) -> Tensor:
        zero = torch.zeros_like(residual)
        return functional.huber_loss(residual, zero, reduction="none", delta=self.huber_delta)

    def _classification(self, logits: Tensor, pid: Tensor) -> Tensor:
        entropy = functional.cross_entropy(logits, pid, reduction="none")
        if self.gamma == 0.0:
            return entropy
        # The floor keeps the gradient of the power finite where p rounds to 1.
        wrong: Tensor = -torch.expm1(-entropy)
        return entropy * wrong.clamp(min=1e-8).pow(self.gamma)
