"""The inputs of the network for each detector element: features of order 1 and a position.

Shapes: M elements of the batch, F = 31 features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mlpf.detector import ECAL, HCAL, CellGrid
from mlpf.network.cells import Cells, cell_sums
from mlpf.network.resolution import (
    FLOOR_GEV,
    ecal_sigma,
    hcal_sigma,
    is_ecal,
    is_tower,
    is_track,
    track_resolution,
)

N_ENCODED = 31
_CELL_SCALE = 0.1  # about the size of a cell
_MAX_SIGNIFICANCE = 10.0
_SIGNIFICANT = 2.0  # as the rules of the published data set say
_RATIOS = (0.1, 2.0)  # not 0: there the head could hardly change it


class Encoder(nn.Module):
    """Fixed (untrained) features and positions of detector elements.

    The position is the center of the HCAL cell in which the element meets the calorimeter face.
    Whether a track explains a tower depends on the cell, not on the distance: the position of a
    tower is drawn uniformly inside its cell. Elements of one cell, including ECAL towers in front
    of it, are at distance 0. Outside of the grid the position is that of the element.

    The features: 0-1: tower, track (one-hot). 2: log(pt / GeV). 3: log(E / GeV) / 2. 4: eta / 2.
    5-6: sin(phi), cos(phi). 7-9: eta / 2, sin(phi), cos(phi) at the calorimeter face (for a tower
    the same). 10-11: ECAL and HCAL energy of a tower, log(1 + E / GeV) / 2. 12-13: their share in
    the tower's energy. 14: eta at the face minus eta. 15-16: sine and cosine of that in phi.
    17: charge of a track. 18-19: generator-level muon and electron flags of a track. 20-21:
    sqrt(E / GeV) / 4 and E / 20 GeV, at most 10: a message is a sum, and sums of energies must be
    compared. 22-23: eta and phi at the face minus those of the cell's center, in units of 0.1.
    The raw columns 6 to 8 differ between towers and tracks; a feature that only one type has is 0
    for the other.

    24-30 are sums over a cell of the element's event, what rules subtract from each other. T is
    the momentum of the tracks that shower in the element's own cell and E the energy found there:
    of the ECAL for ECAL towers and electrons, of the HCAL for the rest. 24: log(1 + T / GeV) / 2.
    25: log(1 + number of these tracks). 26: (E - T) / 4 in units of its resolution, within +-2.5.
    27: log(1 + |E - T| / GeV) / 2 with the sign of E - T. 28: the relative change of T, within
    +-1, that makes it the weighted mean of T and E; 0 if E is 0. 29-30: energy of the ECAL and of
    the HCAL towers in the HCAL cell, log(1 + E / GeV) / 2.
    """

    def __init__(self, ecal: CellGrid = ECAL.grid, hcal: CellGrid = HCAL.grid) -> None:
        super().__init__()
        self.ecal, self.hcal = Cells(ecal), Cells(hcal)

    def forward(self, x: Tensor, event: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the network starts from.

        The features, shape (M, F); positions (eta, sin(phi), cos(phi)), shape (M, 3); and the
        ratio pt / pt_in that follows from the sums alone, shape (M,), in [0.1, 2]: what the tracks
        leave of a tower, (E - T) / E, and for tracks that explain the energy of their cell, within
        two standard deviations, the mean of both measurements.

        Args:
            x: shape (M, 12), columns `schema.X_COLUMNS`.
            event: shape (M,) int64, the event of each element.
        """
        face = torch.where(is_tower(x).unsqueeze(1), x[:, 2:5], x[:, 6:9])
        eta, phi = face[:, 0], torch.atan2(face[:, 1], face[:, 2])
        center_eta, center_phi = self.hcal.centers(eta, phi)
        offsets = torch.stack([eta - center_eta, torch.sin(phi - center_phi)], 1) / _CELL_SCALE
        position = torch.stack([center_eta, center_phi.sin(), center_phi.cos()], 1)
        sums, ratio = self._of_cells(x, event, eta, phi)
        return torch.cat([_features(x, face), offsets, sums], 1), position, ratio

    def _of_cells(
        self, x: Tensor, event: Tensor, eta: Tensor, phi: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The columns 24 to 30 and the ratio."""
        in_ecal = is_ecal(x)
        n_ecal, n_hcal = self.ecal.n_cells, self.hcal.n_cells
        behind = event * (n_ecal + n_hcal) + self.hcal.find(eta, phi)
        front = event * (n_ecal + n_hcal) + n_hcal + self.ecal.find(eta, phi)
        showers = is_track(x) & (x[:, 10] <= 0)  # a muon leaves no energy
        momentum = x[:, 5].clamp(min=0.0)
        track, tower = momentum * showers, momentum * is_tower(x)
        variance = (track * track_resolution(x)).square()
        own = torch.stack([track, variance, showers.to(x.dtype), tower], 1)
        own = cell_sums(own, torch.where(in_ecal, front, behind))
        energy = own[:, 3]
        sigma = torch.where(in_ecal, ecal_sigma(eta, energy), hcal_sigma(eta, energy))
        columns, of_track, of_tower = _balance(own, sigma)
        deposits = cell_sums(torch.stack([tower * in_ecal, tower * ~in_ecal], 1), behind)
        of_track = torch.where(showers, of_track, 1.0)
        ratio = torch.where(is_tower(x), of_tower, of_track).clamp(*_RATIOS)
        return torch.cat([columns, deposits.log1p() / 2], 1), ratio


def _balance(own: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The columns 24 to 28 and pt / pt_in of the tracks and of the tower of a cell.

    Args:
        own: shape (M, 4), sums over the own cell: T, its variance, number of tracks, and E.
        sigma: shape (M,), resolution of E in GeV.
    """
    momentum, variance, number, energy = own.unbind(1)
    excess, total = energy - momentum, variance + sigma.square() + FLOOR_GEV**2
    significance = excess / total.sqrt()
    change = excess * variance / total / momentum.clamp(min=FLOOR_GEV) * (energy > 0)
    columns = (
        momentum.log1p() / 2,
        number.log1p(),
        significance.clamp(-_MAX_SIGNIFICANCE, _MAX_SIGNIFICANCE) / 4,
        excess.sign() * excess.abs().log1p() / 2,
        change.clamp(-1.0, 1.0),
    )
    of_track = 1 + change * (significance < _SIGNIFICANT)
    return torch.stack(columns, 1), of_track, excess / energy.clamp(min=FLOOR_GEV)


def _features(x: Tensor, face: Tensor) -> Tensor:
    """The columns 0 to 21."""
    tower, track = (kind(x).to(x.dtype).unsqueeze(1) for kind in (is_tower, is_track))
    deposits = x[:, 6:8].clamp(min=0.0) * tower
    share = deposits / deposits.sum(1, keepdim=True).clamp(min=FLOOR_GEV)
    sin_a, cos_a, sin_b, cos_b = (t.unsqueeze(1) for t in (*x[:, 3:5].T, *face[:, 1:].T))
    return torch.cat(
        [
            tower,
            track,
            x[:, 1:2].clamp(min=FLOOR_GEV).log(),
            x[:, 5:6].clamp(min=FLOOR_GEV).log() / 2,
            x[:, 2:3] / 2,
            x[:, 3:5],
            face[:, :1] / 2,
            face[:, 1:],
            deposits.log1p() / 2,
            share,
            face[:, :1] - x[:, 2:3],
            sin_b * cos_a - cos_b * sin_a,
            cos_b * cos_a + sin_b * sin_a,
            x[:, 9:12] * track,
            x[:, 5:6].clamp(min=0.0).sqrt() / 4,
            x[:, 5:6].clamp(min=0.0, max=200.0) / 20,
        ],
        1,
    )
