"""The inputs of the network for each detector element: features of order 1 and a position.

Shapes: M elements of the batch, F = 24 features, R rings of calorimeter cells.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mlpf.detector import HCAL, CellGrid
from mlpf.schema import ElementType

N_ENCODED = 24
FLOOR_GEV = 1e-3  # below any threshold of the detector; keeps logarithms finite
_CELL_SCALE = 0.1  # about the size of a cell


def log_gev(value: Tensor) -> Tensor:
    """Return the logarithm of a momentum or energy in GeV, at least that of 1 MeV."""
    return value.clamp(min=FLOOR_GEV).log()


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
    """

    eta_edges: Tensor
    n_phi: Tensor

    def __init__(self, grid: CellGrid = HCAL.grid) -> None:
        super().__init__()
        self.register_buffer("eta_edges", torch.tensor(grid.eta_edges, dtype=torch.float32))
        self.register_buffer("n_phi", torch.tensor(grid.n_phi))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features, shape (M, F), and positions (eta, sin(phi), cos(phi)), (M, 3).

        Args:
            x: shape (M, 12), columns `schema.X_COLUMNS`.
        """
        face = torch.where(x[:, :1] == ElementType.TOWER, x[:, 2:5], x[:, 6:9])
        eta, phi = face[:, 0], torch.atan2(face[:, 1], face[:, 2])
        center_eta, center_phi = self.cell_centers(eta, phi)
        offsets = torch.stack([eta - center_eta, torch.sin(phi - center_phi)], 1) / _CELL_SCALE
        position = torch.stack([center_eta, center_phi.sin(), center_phi.cos()], 1)
        return torch.cat([_features(x, face), offsets], 1), position

    def cell_centers(self, eta: Tensor, phi: Tensor) -> tuple[Tensor, Tensor]:
        """Return eta and phi of the centers of the cells around directions, all of shape (M,)."""
        ring = torch.bucketize(eta.contiguous(), self.eta_edges, right=True) - 1
        inside = (ring >= 0) & (ring < len(self.n_phi))
        ring = ring.clamp(0, len(self.n_phi) - 1)
        n_phi = self.n_phi[ring]
        slices = ((phi / (2 * math.pi) + 0.5) * n_phi).floor().clamp(min=0).minimum(n_phi - 1)
        center_phi = ((slices + 0.5) / n_phi - 0.5) * (2 * math.pi)
        center_eta = (self.eta_edges[ring] + self.eta_edges[ring + 1]) / 2
        return torch.where(inside, center_eta, eta), torch.where(inside, center_phi, phi)


def _features(x: Tensor, face: Tensor) -> Tensor:
    """The first 22 columns."""
    tower = (x[:, :1] == ElementType.TOWER).to(x.dtype)
    track = (x[:, :1] == ElementType.TRACK).to(x.dtype)
    deposits = x[:, 6:8].clamp(min=0.0) * tower
    share = deposits / deposits.sum(1, keepdim=True).clamp(min=FLOOR_GEV)
    sin_a, cos_a, sin_b, cos_b = (t.unsqueeze(1) for t in (*x[:, 3:5].T, *face[:, 1:].T))
    return torch.cat(
        [
            tower,
            track,
            log_gev(x[:, 1:2]),
            log_gev(x[:, 5:6]) / 2,
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
