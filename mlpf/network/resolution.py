"""Kinds of detector elements and their resolutions, as tensors.

The formulas are those of `mlpf.detector`. Shapes: M elements.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mlpf.detector import CHARGED_HADRON, ELECTRON, MUON, TrackModel
from mlpf.schema import ElementType

FLOOR_GEV = 1e-3  # below any threshold of the detector; keeps logarithms and ratios finite


def is_tower(x: Tensor) -> Tensor:
    """Tell which elements are towers, shape (M,) bool; `x` has columns `schema.X_COLUMNS`."""
    return x[:, 0].eq(ElementType.TOWER)  # torch.compile takes == with an enum for False


def is_track(x: Tensor) -> Tensor:
    """Tell which elements are tracks, shape (M,) bool."""
    return x[:, 0].eq(ElementType.TRACK)


def is_ecal(x: Tensor) -> Tensor:
    """Tell which elements shower in the ECAL, shape (M,) bool: its towers, and electrons."""
    return torch.where(is_tower(x), x[:, 6], x[:, 11]) > 0


def track_resolution(x: Tensor) -> Tensor:
    """Return sigma(pt) / pt of tracks, shape (M,); meaningless for towers.

    Args:
        x: shape (M, 12), columns `schema.X_COLUMNS`.
    """
    pt, eta = x[:, 1], x[:, 2].abs()
    hadron, electron, muon = (
        _track_resolution(model, pt, eta) for model in (CHARGED_HADRON, ELECTRON, MUON)
    )
    return torch.where(x[:, 10] > 0, muon, torch.where(x[:, 11] > 0, electron, hadron))


def _track_resolution(model: TrackModel, pt: Tensor, eta: Tensor) -> Tensor:
    def of_region(values: tuple[float, float, float]) -> Tensor:
        central, middle, outer = (torch.full_like(eta, value) for value in values)
        return torch.where(eta <= 0.5, central, torch.where(eta <= 1.5, middle, outer))

    return (of_region(model.constant) ** 2 + (of_region(model.linear) * pt) ** 2).sqrt()


def ecal_sigma(eta: Tensor, energy: Tensor) -> Tensor:
    """Return `detector.ecal_sigma` in GeV."""
    a = eta.abs()
    core = (energy.square() * 0.008**2 + energy * 0.11**2 + 0.40**2).sqrt()
    scale = torch.where(a <= 1.5, 1 + 0.64 * a.square(), 2.16 + 5.6 * (a - 2).square())
    forward = (energy.square() * 0.107**2 + energy * 2.08**2).sqrt()
    return torch.where(a <= 2.5, scale * core, forward)


def hcal_sigma(eta: Tensor, energy: Tensor) -> Tensor:
    """Return `detector.hcal_sigma` in GeV."""
    central = (energy.square() * 0.05**2 + energy * 1.5**2).sqrt()
    forward = (energy.square() * 0.13**2 + energy * 2.7**2).sqrt()
    return torch.where(eta.abs() > 3.0, forward, central)
