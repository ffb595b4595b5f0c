"""Fast simulation of the detector: from stable particles to tracks and calorimeter cells.

Every step is a formula on whole arrays, in the order of the published card: flight through the
field to the calorimeter face, tracking efficiency, smearing of momentum and angles, deposits in
cells, smearing of the energies, thresholds. See [Delphes3]_ in `mlpf.detector` for the method.

Shapes: P particles of an event, T tracks, C cells with a deposit. Lengths in mm, GeV, radians.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlpf import detector
from mlpf.data.generator import is_visible
from mlpf.detector import Calorimeter, Floats, Ints, TrackModel

_MAX_ETA: Final = 5.5  # nothing beyond reaches a calorimeter, which ends at 5

# One stable particle as stored in a pool of pile-up events.
RECORD: Final = np.dtype(
    [("pid", "i4"), ("charge", "i1")]
    + [(name, "f4") for name in ("px", "py", "pz", "energy", "x", "y", "z")]
)


@dataclass(frozen=True)
class Particles:
    """Stable particles of one event at their production points; every array has shape (P,).

    PDG codes, charges in units of the proton's (-2 to 2), momenta and energies in GeV, production
    points in mm.
    """

    pid: Ints
    charge: Floats
    px: Floats
    py: Floats
    pz: Floats
    energy: Floats
    x: Floats
    y: Floats
    z: Floats

    @classmethod
    def from_records(cls, records: NDArray[Any]) -> Particles:
        """Return the particles of an array of dtype `RECORD`."""
        fields = {name: records[name].astype(np.float64) for name in RECORD.names or ()}
        return cls(fields.pop("pid").astype(np.int64), **fields)

    def __len__(self) -> int:
        return len(self.pid)

    @property
    def pt(self) -> Floats:
        """Transverse momentum in GeV."""
        return np.hypot(self.px, self.py)


def can_be_seen(records: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which particles, an array of dtype `RECORD`, can leave a trace in the detector."""
    pt = np.hypot(records["px"], records["py"], dtype=np.float64)
    reaches: NDArray[np.bool_] = np.abs(records["pz"]) < np.sinh(_MAX_ETA) * pt
    return is_visible(records["pid"]) & reaches


@dataclass(frozen=True)
class Impact:
    """Where particles meet the calorimeter face, shapes (P,)."""

    eta: Floats  # pseudorapidity of the point, seen from the center of the detector
    phi: Floats  # in [-pi, pi]
    reached: NDArray[np.bool_]  # false if produced outside of the tracker or along the beam


@dataclass(frozen=True)
class Tracks:
    """Reconstructed tracks; every array has shape (T,)."""

    particle: Ints  # row of the particle that made the track
    charge: Floats  # of that particle
    pt: Floats  # measured, in GeV
    eta: Floats  # measured, at the origin of the track
    phi: Floats
    eta_outer: Floats  # at the calorimeter face
    phi_outer: Floats
    resolution: Floats  # sigma(pt) / pt used to smear the momentum
    mass: Floats  # true mass in GeV, used only in the energy

    @property
    def energy(self) -> Floats:
        """Energy in GeV of the measured momentum."""
        return np.hypot(self.pt * np.cosh(self.eta), self.mass)


@dataclass(frozen=True)
class Cells:
    """Cells of a calorimeter that received energy, in the order of their numbers; shapes (C,)."""

    energy: Floats  # measured, in GeV; 0 where the cell is below threshold
    sigma: Floats  # resolution in GeV at the energy before the threshold
    eta: Floats  # drawn uniformly within the cell
    phi: Floats  # drawn uniformly within the cell
    of_particle: Ints  # shape (P,): row (0 to C - 1) of the cell that a particle hit, -1 for none


def sum_by(index: Ints, values: Floats, n: int) -> Floats:
    """Return the sums of `values` with equal `index` (0 to n - 1), shape (n,)."""
    return np.bincount(index, weights=values, minlength=n).astype(np.float64, copy=False)


def log_normal(mean: Floats, sigma: Floats, rng: np.random.Generator) -> Floats:
    """Draw from log-normal distributions of this mean (> 0) and standard deviation, shapes (n,).

    Unlike with a Gaussian, no energy is negative and the mean is kept.
    """
    width = np.sqrt(np.log1p((sigma / mean) ** 2))
    return mean * np.exp(width * rng.standard_normal(len(mean)) - 0.5 * width**2)


def propagate(particles: Particles) -> Impact:
    """Return where each particle leaves the tracking volume, a cylinder around the beam (z).

    Charged particles follow a helix in a field along z, the others a straight line.
    """
    pt = particles.pt
    inside = np.hypot(particles.x, particles.y) < detector.BARREL_RADIUS_MM
    inside &= np.abs(particles.z) < detector.HALF_LENGTH_MM
    reached = inside & (pt > 1e-6)  # a particle along the beam has no direction in the plane
    safe_pt = np.where(reached, pt, 1.0)
    turn = particles.charge * detector.CURVATURE * detector.FIELD_TESLA / safe_pt
    phi = np.arctan2(particles.py, particles.px)
    with np.errstate(divide="ignore"):
        end = np.copysign(detector.HALF_LENGTH_MM, particles.pz) - particles.z
        path = np.abs(end * safe_pt / particles.pz)
    charged = np.flatnonzero(reached & (particles.charge != 0))
    neutral = np.flatnonzero(reached & (particles.charge == 0))
    x, y = particles.x, particles.y
    curved = _path_on_circle(x[charged], y[charged], phi[charged], turn[charged])
    straight = _path_on_line(x[neutral], y[neutral], phi[neutral])
    path[charged] = np.minimum(path[charged], curved)
    path[neutral] = np.minimum(path[neutral], straight)
    path[~reached] = 0.0
    # A chord of length 2 sin(a) / turn in the direction phi - a, where a is half the angle turned;
    # this form stays exact as turn -> 0.
    half = 0.5 * turn * path
    chord = path * np.sinc(half / np.pi)
    x_out, y_out = x + chord * np.cos(phi - half), y + chord * np.sin(phi - half)
    z_out = particles.z + path * particles.pz / safe_pt
    radius = np.maximum(np.hypot(x_out, y_out), 1e-9)
    return Impact(np.arcsinh(z_out / radius), np.arctan2(y_out, x_out), reached)


def _path_on_line(x: Floats, y: Floats, phi: Floats) -> Floats:
    """Length in the plane from (x, y), inside, to the barrel wall in the direction phi."""
    along = x * np.cos(phi) + y * np.sin(phi)
    wall = detector.BARREL_RADIUS_MM
    return np.sqrt(along**2 + wall**2 - x**2 - y**2) - along


def _path_on_circle(x: Floats, y: Floats, phi: Floats, turn: Floats) -> Floats:
    """Arc length in the plane from (x, y), inside, to the barrel wall; inf if it never meets it.

    The azimuth of the momentum changes by -turn per mm. Seen from the center of the circle, the
    part of it inside the wall spans the angles -opening to opening around the beam line.
    """
    center_x, center_y = x + np.sin(phi) / turn, y - np.cos(phi) / turn
    radius = 1 / np.abs(turn)
    distance = np.maximum(np.hypot(center_x, center_y), 1e-9)
    wall = detector.BARREL_RADIUS_MM
    cosine = (distance**2 + radius**2 - wall**2) / (2 * distance * radius)
    opening = np.arccos(np.clip(cosine, -1.0, 1.0))
    # angle from "toward the beam line" to "toward the start", both seen from the center
    to_start_x, to_start_y = x - center_x, y - center_y
    start = np.arctan2(
        center_y * to_start_x - center_x * to_start_y,
        -center_x * to_start_x - center_y * to_start_y,
    )
    return np.where(cosine > -1.0, radius * (opening + np.sign(turn) * start), np.inf)


def make_tracks(particles: Particles, impact: Impact, rng: np.random.Generator) -> Tracks:
    """Return the tracks of the charged particles that are found, momentum and angles smeared.

    Efficiency and resolution depend on the eta of the calorimeter face: a particle that curls up
    to the endcap is measured with the resolution there.
    """
    candidates = np.flatnonzero(
        impact.reached & (particles.charge != 0) & (np.abs(impact.eta) <= detector.TRACK_MAX_ETA)
    )
    pt, eta_outer = particles.pt[candidates], impact.eta[candidates]
    efficiency, resolution = np.zeros(len(candidates)), np.ones(len(candidates))
    kind = np.abs(particles.pid[candidates])
    for model, mine in _models(kind):
        efficiency[mine] = model.efficiency_at(pt[mine], eta_outer[mine])
        resolution[mine] = model.resolution_at(pt[mine], eta_outer[mine])
    found = rng.random(len(candidates)) < efficiency
    chosen, pt, resolution = candidates[found], pt[found], resolution[found]
    px, py, pz = (getattr(particles, name)[chosen] for name in ("px", "py", "pz"))
    mass_squared = particles.energy[chosen] ** 2 - px**2 - py**2 - pz**2
    sigma = detector.TRACK_ANGLE_SIGMA
    return Tracks(
        particle=chosen,
        charge=particles.charge[chosen],
        pt=log_normal(pt, resolution * pt, rng),
        eta=np.arcsinh(pz / pt) + sigma * rng.standard_normal(len(pt)),
        phi=np.arctan2(py, px) + sigma * rng.standard_normal(len(pt)),
        eta_outer=eta_outer[found],
        phi_outer=impact.phi[chosen],
        resolution=resolution,
        mass=np.sqrt(np.maximum(mass_squared, 0.0)),
    )


def _models(kind: Ints) -> list[tuple[TrackModel, NDArray[np.bool_]]]:
    electron, muon = kind == 11, kind == 13
    return [
        (detector.CHARGED_HADRON, ~(electron | muon)),
        (detector.ELECTRON, electron),
        (detector.MUON, muon),
    ]


def make_cells(
    calorimeter: Calorimeter, impact: Impact, deposit: Floats, rng: np.random.Generator
) -> Cells:
    """Return the cells of one calorimeter that receive `deposit`, shape (P,) in GeV."""
    grid = calorimeter.grid
    lit = np.flatnonzero(impact.reached & (deposit > 0))
    cell = grid.find(impact.eta[lit], impact.phi[lit])
    lit, cell = lit[cell >= 0], cell[cell >= 0]
    sums = sum_by(cell, deposit[lit], grid.n_cells)
    hit = np.flatnonzero(sums)
    row = np.zeros(grid.n_cells, dtype=np.int64)
    row[hit] = np.arange(len(hit))
    of_particle = np.full(len(deposit), -1, dtype=np.int64)
    of_particle[lit] = row[cell]

    eta, eta_width, phi, phi_width = grid.bounds(hit)
    center = eta + 0.5 * eta_width
    true_energy = sums[hit]
    energy = log_normal(true_energy, calorimeter.sigma(center, true_energy), rng)
    sigma = calorimeter.sigma(center, energy)
    seen = (energy > calorimeter.min_energy) & (energy > calorimeter.min_significance * sigma)
    return Cells(
        energy=np.where(seen, energy, 0.0),
        sigma=sigma,
        eta=eta + eta_width * rng.random(len(hit)),
        phi=phi + phi_width * rng.random(len(hit)),
        of_particle=of_particle,
    )
