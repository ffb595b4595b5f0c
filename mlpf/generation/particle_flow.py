"""From tracks and cells to an event: truth of each element and the rule-based candidates.

Elements are the tracks, then the ECAL cells, then the HCAL cells above threshold. Their truth
follows the recipe of the published data set with its label errors corrected (`LABELS`). The
candidates are those of energy flow: if the energy of a calorimeter cell significantly exceeds that
of its tracks, the excess is a neutral particle; otherwise its tracks are rescaled to the best
estimate from both measurements ([Delphes3]_ in `mlpf.detector`).

Shapes: P particles, T tracks, C cells, E elements.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlpf import detector
from mlpf.data.events import Events
from mlpf.detector import Calorimeter, Floats, Ints
from mlpf.generation.pileup import Crossing
from mlpf.generation.simulation import (
    Cells,
    Particles,
    Tracks,
    make_cells,
    make_tracks,
    propagate,
    sum_by,
)
from mlpf.schema import (
    N_X,
    NEUTRAL_HADRON_MIN_GEV,
    TOWER_CLASSES,
    ElementType,
    Particle,
)

LABELS: Final = {
    "ygen_charge_of_tracks": "charge of the particle (published: sign of its PDG code)",
    "ygen_charge_of_towers": "0 for neutral classes, else the charge of the leading particle of "
    "the class (published: +1)",
    "ygen_of_two_towers": "a particle that hit an ECAL and a HCAL tower counts once, in the "
    "one with the larger share (published: in both)",
    "ycand_energy_of_tracks": "pt cosh(eta) (published: 0)",
    "ycand_pt_of_towers": "energy / cosh(eta) (published: 0)",
}


def labels(*, count_once: bool = True) -> dict[str, str]:
    """Return the conventions of the labels, for the metadata; see `tower_truth`."""
    if count_once:
        return LABELS
    return LABELS | {"ygen_of_two_towers": "a particle counts in both towers, as published"}


def simulate_event(
    crossing: Crossing, rng: np.random.Generator, *, count_once: bool = True
) -> tuple[Events, NDArray[np.float32]]:
    """Return one event: detector elements, truth and rule-based candidates.

    Args:
        crossing: all particles that can be seen, pile-up included.
        rng: source of every random number.
        count_once: see `tower_truth`; false only to compare with published labels.

    Returns:
        The event; and for each element the share of its energy that comes from pile-up, before
        the detector smears it.
    """
    particles, is_pileup = crossing.particles, crossing.collision > 0
    impact = propagate(particles)
    tracks = make_tracks(particles, impact, rng)
    tracked = np.zeros(len(particles), dtype=bool)
    tracked[tracks.particle] = True
    fractions = detector.ecal_fraction(particles.pid), detector.hcal_fraction(particles.pid)
    deposits = [share * particles.energy for share in fractions]
    ecal, hcal = (
        make_cells(calorimeter, impact, deposit, rng)
        for calorimeter, deposit in zip((detector.ECAL, detector.HCAL), deposits, strict=True)
    )
    ecal_excess, ecal_scale = energy_flow(detector.ECAL, ecal, tracks)
    hcal_excess, hcal_scale = energy_flow(detector.HCAL, hcal, tracks)
    truth = tower_truth(particles, tracked, ecal, hcal, count_once=count_once)
    x = _float32(_track_x(particles, tracks), _tower_x(ecal, 6), _tower_x(hcal, 7))
    shares = [
        pileup_share(cells, deposit, is_pileup)
        for cells, deposit in zip((ecal, hcal), deposits, strict=True)
    ]
    event = Events(
        x=x,
        offsets=np.array([0, len(x)]),
        ygen=_float32(_track_truth(particles, tracks), truth),
        ycand=_float32(
            _track_candidates(particles, tracks, ecal_scale * hcal_scale),
            _tower_candidates(ecal, ecal_excess, Particle.PHOTON),
            _tower_candidates(hcal, hcal_excess, Particle.NEUTRAL_HADRON),
        ),
    )
    return event, _float32(is_pileup[tracks.particle].astype(np.float64), *shares)


def pileup_share(cells: Cells, deposit: Floats, is_pileup: NDArray[np.bool_]) -> Floats:
    """Return the share of pile-up in the energy of each tower, in order, 0 to 1.

    `deposit`, shape (P,), is the energy of each particle in this calorimeter.
    """
    hit = cells.of_particle >= 0
    cell, energy = cells.of_particle[hit], deposit[hit]
    n_cells, of_pileup = len(cells.energy), np.where(is_pileup[hit], energy, 0.0)
    share = sum_by(cell, of_pileup, n_cells) / sum_by(cell, energy, n_cells)
    return share[cells.energy > 0]


def _float32(*parts: Floats) -> NDArray[np.float32]:
    return np.concatenate(parts).astype(np.float32)


def energy_flow(calorimeter: Calorimeter, cells: Cells, tracks: Tracks) -> tuple[Floats, Floats]:
    """Compare the energy of each cell with the tracks that point to it.

    Returns:
        The energy of the cell's neutral particle, shape (C,), 0 where there is none; and the
        factor to apply to the momentum of each track, shape (T,).
    """
    cell = cells.of_particle[tracks.particle]
    on_cell = cell >= 0
    energy = tracks.energy
    n_cells = len(cells.energy)

    def per_cell(values: Floats) -> Floats:
        return sum_by(cell[on_cell], values[on_cell], n_cells)

    track_energy = per_cell(energy)
    track_variance = per_cell((tracks.resolution * energy) ** 2)
    excess = np.maximum(cells.energy - track_energy, 0.0)
    cut = calorimeter.min_significance * np.sqrt(track_variance + cells.sigma**2)
    significant = (excess > calorimeter.min_energy) & (excess > cut)

    # mean of both measurements of the cell, weighted with the inverse variances
    variance = cells.sigma**2
    both = track_energy * variance + cells.energy * track_variance
    total = track_energy * (variance + track_variance)
    rescale = ~significant & (track_energy > 0)
    factor = np.divide(both, total, out=np.ones(n_cells), where=rescale)
    scale = np.ones(len(energy))
    scale[on_cell] = factor[cell[on_cell]]
    return np.where(significant, excess, 0.0), scale


def tower_truth(
    particles: Particles, tracked: NDArray[np.bool_], ecal: Cells, hcal: Cells, *, count_once: bool
) -> Floats:
    """Return the truth of the ECAL towers, then of the HCAL towers, shape (n, 7).

    The truth of a tower is the four-vector sum of the particles in it that have no track; its
    class is the kind of particle with the largest summed energy. Charged hadrons beyond the
    tracker (|eta| > 2.5) count as neutral, and neutral hadrons below 9 GeV in all as nothing.

    `tracked`, shape (P,), is true for particles with a track. With `count_once` a particle that
    hit an ECAL and a HCAL tower (K0S, Lambda) counts only in the HCAL tower, which has the larger
    share; the published data count it twice.
    """
    n_ecal = int(np.count_nonzero(ecal.energy))
    n_towers = n_ecal + int(np.count_nonzero(hcal.energy))
    in_ecal = _tower_of_particle(ecal)
    in_hcal = _tower_of_particle(hcal)
    in_hcal[in_hcal >= 0] += n_ecal
    if count_once:
        in_ecal[in_hcal >= 0] = -1
    both = np.stack([in_ecal, in_hcal])
    which, particle = np.nonzero((both >= 0) & ~tracked)
    tower = both[which, particle]
    kind = _kind(particles.pid[particle], particles.charge[particle])
    energy = particles.energy[particle]

    sums = sum_by(tower * len(TOWER_CLASSES) + kind, energy, n_towers * len(TOWER_CLASSES))
    by_kind = sums.reshape(n_towers, len(TOWER_CLASSES))
    winner = np.argmax(by_kind, axis=1)
    px, py, pz, total = (
        sum_by(tower, values[particle], n_towers)
        for values in (particles.px, particles.py, particles.pz, particles.energy)
    )
    charge = _leading_charge(tower, kind, energy, particles.charge[particle], winner)
    return _tower_labels(np.asarray(TOWER_CLASSES)[winner], charge, px, py, pz, total)


def _tower_of_particle(cells: Cells) -> Ints:
    """Number of the tower (a cell above threshold) of each particle, -1 for none."""
    seen = cells.energy > 0
    number = np.where(seen, np.cumsum(seen) - 1, -1)
    if not len(number):
        return cells.of_particle.copy()
    return np.where(cells.of_particle >= 0, number[cells.of_particle], -1)


def _kind(pid: Ints, charge: Floats) -> Ints:
    """Index in `TOWER_CLASSES` of each particle."""
    code = np.abs(pid)
    hadron = np.where(np.abs(charge) == 1, 1, 0)
    return np.select([code == 22, code == 11], [2, 3], hadron)


def _leading_charge(
    tower: Ints, kind: Ints, energy: Floats, charge: Floats, winner: Ints
) -> Floats:
    """Charge of the most energetic particle of each tower's class, shape (n,)."""
    mine = np.flatnonzero(kind == winner[tower])
    mine = mine[np.argsort(energy[mine], kind="stable")]
    leading = np.zeros(len(winner))
    leading[tower[mine]] = charge[mine]  # of equal indices the last, the most energetic, is kept
    return leading


def _tower_labels(
    pid: Ints, charge: Floats, px: Floats, py: Floats, pz: Floats, energy: Floats
) -> Floats:
    pt = np.hypot(px, py)
    eta = np.arcsinh(pz / np.maximum(pt, 1e-9))
    beyond = (pid == Particle.CHARGED_HADRON) & (np.abs(eta) > detector.TRACK_MAX_ETA)
    pid = np.where(beyond, Particle.NEUTRAL_HADRON, pid)
    neutral = np.isin(pid, (Particle.NEUTRAL_HADRON, Particle.PHOTON))
    charge = np.where(neutral, 0.0, charge)
    labels = _labels(pid, charge, pt, eta, np.arctan2(py, px), energy)
    soft = (pid == Particle.NEUTRAL_HADRON) & (energy < NEUTRAL_HADRON_MIN_GEV)
    labels[(energy == 0) | soft] = 0.0
    return labels


def _labels(
    pid: Ints, charge: Floats, pt: Floats, eta: Floats, phi: Floats, energy: Floats
) -> Floats:
    """Stack the columns `schema.Y_COLUMNS`."""
    return np.column_stack((pid, charge, pt, eta, np.sin(phi), np.cos(phi), energy))


def _track_class(particles: Particles, tracks: Tracks) -> Ints:
    code = np.abs(particles.pid[tracks.particle])
    return np.select(
        [code == 11, code == 13], [Particle.ELECTRON, Particle.MUON], Particle.CHARGED_HADRON
    )


def _track_truth(particles: Particles, tracks: Tracks) -> Floats:
    p = tracks.particle
    px, py, pz = particles.px[p], particles.py[p], particles.pz[p]
    pt, phi = np.hypot(px, py), np.arctan2(py, px)
    pid = _track_class(particles, tracks)
    return _labels(pid, tracks.charge, pt, np.arcsinh(pz / pt), phi, particles.energy[p])


def _track_candidates(particles: Particles, tracks: Tracks, scale: Floats) -> Floats:
    pid, pt = _track_class(particles, tracks), tracks.pt * scale
    return _labels(pid, tracks.charge, pt, tracks.eta, tracks.phi, pt * np.cosh(tracks.eta))


def _tower_candidates(cells: Cells, excess: Floats, pid: Particle) -> Floats:
    seen = cells.energy > 0
    eta, phi, energy = cells.eta[seen], cells.phi[seen], excess[seen]
    none = np.zeros(len(eta))
    labels = _labels(np.full(len(eta), pid), none, energy / np.cosh(eta), eta, phi, energy)
    labels[energy == 0] = 0.0
    return labels


def _track_x(particles: Particles, tracks: Tracks) -> Floats:
    code = np.abs(particles.pid[tracks.particle])
    columns = (
        np.full(len(code), ElementType.TRACK),
        tracks.pt,
        tracks.eta,
        np.sin(tracks.phi),
        np.cos(tracks.phi),
        tracks.pt * np.cosh(tracks.eta),
        tracks.eta_outer,
        np.sin(tracks.phi_outer),
        np.cos(tracks.phi_outer),
        tracks.charge,
        code == 13,
        code == 11,
    )
    return np.column_stack(columns)


def _tower_x(cells: Cells, energy_column: int) -> Floats:
    """Rows of the cells above threshold; `energy_column` is 6 for ECAL, 7 for HCAL."""
    seen = cells.energy > 0
    energy, eta, phi = cells.energy[seen], cells.eta[seen], cells.phi[seen]
    x = np.zeros((len(energy), N_X))
    x[:, 0] = ElementType.TOWER
    x[:, 1:6] = np.column_stack([energy / np.cosh(eta), eta, np.sin(phi), np.cos(phi), energy])
    x[:, energy_column] = energy
    return x
