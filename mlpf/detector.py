"""The detector as numbers: field, geometry, efficiencies and resolutions of the published card.

The card is the CMS-like one of the MLPF Delphes data set [Pata2021]_; Delphes is [Delphes3]_.
Everything here is a constant or a formula in (pt, eta, energy); nothing is random.
Lengths in mm, momenta and energies in GeV, angles in radians.

.. [Pata2021] J. Pata et al., MLPF, arXiv:2101.08578.
.. [Delphes3] J. de Favereau et al., Delphes 3, arXiv:1307.6346.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CARD: Final = "MLPF delphes_card_CMS_PileUp"

FIELD_TESLA: Final = 3.8
BARREL_RADIUS_MM: Final = 1290.0
HALF_LENGTH_MM: Final = 3000.0
# pt [GeV] = CURVATURE * |charge| * B [T] * radius [mm]
CURVATURE: Final = 0.299792458e-3

VERTEX_SIGMA_Z_MM: Final = 53.0

TRACK_ANGLE_SIGMA: Final = 0.01  # of eta and of phi
TRACK_MIN_PT: Final = 0.1
TRACK_MAX_ETA: Final = 2.5


@dataclass(frozen=True)
class TrackModel:
    """Efficiency and momentum resolution of one kind of charged particle."""

    pt_steps: tuple[float, ...]  # P of them, increasing; pt in GeV where the efficiency changes
    # rows: |eta| <= 1.5 and up to 2.5; columns: the P + 1 intervals of pt
    efficiency: tuple[tuple[float, ...], tuple[float, ...]]
    # a, and b in 1 / GeV, of sigma(pt) / pt = hypot(a, b pt) for |eta| <= 0.5, 1.5, 2.5
    constant: tuple[float, float, float]
    linear: tuple[float, float, float]

    def efficiency_at(self, pt: Floats, eta: Floats) -> Floats:
        """Return the probability of a track, in [0, 1]; 0 below 0.1 GeV and beyond |eta| 2.5."""
        table = np.asarray(self.efficiency)
        # a step belongs to the lower interval: the card writes pt <= 1.0
        found = table[(np.abs(eta) > 1.5).astype(int), np.searchsorted(self.pt_steps, pt)]
        inside = (pt > TRACK_MIN_PT) & (np.abs(eta) <= TRACK_MAX_ETA)
        return np.where(inside, found, 0.0)

    def resolution_at(self, pt: Floats, eta: Floats) -> Floats:
        """Return sigma(pt) / pt, dimensionless."""
        region = np.searchsorted([0.5, 1.5], np.abs(eta))
        constant, linear = np.asarray(self.constant), np.asarray(self.linear)
        sigma: Floats = np.hypot(constant[region], linear[region] * pt)
        return sigma


CHARGED_HADRON: Final = TrackModel(
    pt_steps=(1.0,),
    efficiency=((0.70, 0.95), (0.60, 0.85)),
    constant=(0.06, 0.10, 0.25),
    linear=(1.3e-3, 1.7e-3, 3.1e-3),
)
ELECTRON: Final = TrackModel(
    pt_steps=(1.0, 100.0),
    efficiency=((0.73, 0.95, 0.99), (0.50, 0.83, 0.90)),
    constant=(0.03, 0.05, 0.15),
    linear=(1.3e-3, 1.7e-3, 3.1e-3),
)
# In the card the muon efficiency decreases as exp(0.5 - 5e-4 pt) above 1 TeV; no such muon occurs.
MUON: Final = TrackModel(
    pt_steps=(1.0,),
    efficiency=((0.75, 0.99), (0.70, 0.98)),
    constant=(0.01, 0.015, 0.025),
    linear=(1.0e-4, 1.5e-4, 3.5e-4),
)


@dataclass(frozen=True)
class CellGrid:
    """Calorimeter cells: rings in eta, each divided into equal slices of phi starting at -pi.

    Cells are numbered ring by ring: their number increases with eta, then with phi.
    """

    eta_edges: Floats  # shape (R + 1,), increasing
    n_phi: Ints  # shape (R,), number of cells of each ring

    def __post_init__(self) -> None:
        if len(self.eta_edges) != len(self.n_phi) + 1 or np.any(np.diff(self.eta_edges) <= 0):
            raise ValueError("eta_edges must increase and be one more than the rings of n_phi")

    @cached_property
    def first_cell(self) -> Ints:
        """Number of the first cell of each ring, shape (R + 1,); the last is that of all cells."""
        return np.concatenate([[0], np.cumsum(self.n_phi)]).astype(np.int64)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.first_cell[-1])

    def find(self, eta: Floats, phi: Floats) -> Ints:
        """Return the cell of each direction, shape (n,); -1 outside of the grid."""
        ring = np.searchsorted(self.eta_edges, eta, side="right") - 1
        inside = (ring >= 0) & (ring < len(self.n_phi))
        ring = np.where(inside, ring, 0)
        n_phi = self.n_phi[ring]
        turn = phi / (2 * np.pi) + 0.5
        turn -= np.floor(turn)
        # rounding may give exactly n_phi for phi just below pi
        cell = self.first_cell[ring] + np.minimum((turn * n_phi).astype(np.int64), n_phi - 1)
        return np.where(inside, cell, -1)

    def bounds(self, cells: Ints) -> tuple[Floats, Floats, Floats, Floats]:
        """Return lower eta, eta width, lower phi and phi width of each cell, shapes (n,)."""
        ring = np.searchsorted(self.first_cell, cells, side="right") - 1
        eta = self.eta_edges[ring]
        width = 2 * np.pi / self.n_phi[ring]
        phi = (cells - self.first_cell[ring]) * width - np.pi
        return eta, self.eta_edges[ring + 1] - eta, phi, width


def _symmetric_grid(positive_edges: list[float], n_phi: list[int]) -> CellGrid:
    """Mirror rings given for eta > 0; the first edge is 0 or the mirror of itself."""
    edges = np.asarray(positive_edges)
    return CellGrid(
        np.concatenate([-edges[:0:-1], edges]), np.asarray(n_phi[::-1] + n_phi, dtype=np.int64)
    )


_FORWARD = [3.125, 3.3, 3.475, 3.65, 3.825, 4.0, 4.175, 4.35, 4.525, 4.7, 5.0]


def _ecal_grid() -> CellGrid:
    fine = [0.0174 * i for i in range(171)]  # to 2.958
    return _symmetric_grid(fine + _FORWARD, [360] * 170 + [36] * 11)


def _hcal_grid() -> CellGrid:
    barrel = [0.087 * i for i in range(20)]  # to 1.653
    endcap = [1.74, 1.83, 1.93, 2.043, 2.172, 2.322, 2.5, 2.65, 2.868, 2.95]
    return _symmetric_grid(barrel + endcap + _FORWARD, [72] * 19 + [36] * 19 + [18] * 2)


def ecal_sigma(eta: Floats, energy: Floats) -> Floats:
    """Return the energy resolution of ECAL cells in GeV, the forward calorimeter included."""
    a = np.abs(eta)
    core = np.sqrt((0.008 * energy) ** 2 + 0.11**2 * energy + 0.40**2)
    scale = np.where(a <= 1.5, 1 + 0.64 * a**2, 2.16 + 5.6 * (a - 2) ** 2)
    forward = np.sqrt((0.107 * energy) ** 2 + 2.08**2 * energy)
    return np.where(a <= 2.5, scale * core, forward)


def hcal_sigma(eta: Floats, energy: Floats) -> Floats:
    """Return the energy resolution of HCAL cells in GeV, the forward calorimeter included."""
    forward = np.abs(eta) > 3.0
    constant = np.where(forward, 0.13, 0.05)
    stochastic = np.where(forward, 2.7, 1.5)
    return np.sqrt((constant * energy) ** 2 + stochastic**2 * energy)


@dataclass(frozen=True)
class Calorimeter:
    """One calorimeter: cells, resolution, thresholds."""

    grid: CellGrid
    sigma: Callable[[Floats, Floats], Floats]  # (eta of the cell, energy) -> resolution, in GeV
    min_energy: float  # in GeV; a cell below is not read out
    min_significance: float = 2.0  # in sigma; a cell below is not read out


ECAL: Final = Calorimeter(_ecal_grid(), ecal_sigma, min_energy=0.5)
HCAL: Final = Calorimeter(_hcal_grid(), hcal_sigma, min_energy=1.0)

_INVISIBLE = (12, 13, 14, 16)  # muons and neutrinos
_SHARED = (310, 3122)  # K0S and Lambda shower early
_ELECTROMAGNETIC = (11, 22)


def ecal_fraction(pid: NDArray[np.integer]) -> Floats:
    """Return the share of a particle's energy that the ECAL sees; `pid` is a PDG code."""
    code = np.abs(pid)
    shared = np.where(np.isin(code, _SHARED), 0.3, 0.0)
    return np.where(np.isin(code, _ELECTROMAGNETIC), 1.0, shared)


def hcal_fraction(pid: NDArray[np.integer]) -> Floats:
    """Return the share of a particle's energy that the HCAL sees; `pid` is a PDG code."""
    visible = ~np.isin(np.abs(pid), _INVISIBLE)
    return np.where(visible, 1.0 - ecal_fraction(pid), 0.0)
