"""Elements, truth and candidates of Delphes events, with the published labels.

The rules are those of MLPF's own `ntuplizer.py`, from which no value differs; sums are in double
precision in the order of the links. `mlpf.delphes.published.correct` corrects the result.

Shapes: P particles, T tracks, C towers, L links of towers, all events one after another.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlpf import detector
from mlpf.data.events import Events
from mlpf.delphes.branches import Chunk, Objects
from mlpf.delphes.links import Links, find, key
from mlpf.detector import Floats, Ints
from mlpf.schema import (
    N_X,
    N_Y,
    NEUTRAL_HADRON_MIN_GEV,
    TOWER_CLASSES,
    ElementType,
    Particle,
)

_CLASS_OF_CODE: Final = {
    130: Particle.NEUTRAL_HADRON,
    22: Particle.PHOTON,
    11: Particle.ELECTRON,
    13: Particle.MUON,
}
_CANDIDATES_OF_TRACKS: Final = (
    ("PFChargedHadron", Particle.CHARGED_HADRON),
    ("PFElectron", Particle.ELECTRON),
    ("PFMuon", Particle.MUON),
)
_CANDIDATES_OF_TOWERS: Final = (
    ("PFNeutralHadron", Particle.NEUTRAL_HADRON),
    ("PFPhoton", Particle.PHOTON),
)


def label(chunk: Chunk, links: Links) -> Events:
    """Return the events of a chunk, tracks before towers, with the published labels."""
    tracks, towers = chunk["Track"], chunk["Tower"]
    return Events(
        x=per_element(chunk, _track_x(chunk, links), _tower_x(towers)),
        ygen=per_element(chunk, _track_truth(chunk, links), _tower_truth(chunk, links)),
        ycand=per_element(chunk, _track_candidates(chunk), _tower_candidates(chunk)),
        offsets=tracks.offsets + towers.offsets,
    )


def per_element(chunk: Chunk, of_tracks: Floats, of_towers: Floats) -> NDArray[np.float32]:
    """Return values of all elements, of each event the tracks before the towers.

    `of_tracks` has shape (T, ...), `of_towers` (C, ...), the result (T + C, ...).
    """
    sizes = [np.diff(chunk[name].offsets) for name in ("Track", "Tower")]
    both = np.column_stack(sizes).ravel()
    is_track = np.repeat(np.arange(len(both)) % 2 == 0, both)
    values = np.empty((len(is_track), *of_tracks.shape[1:]), dtype=np.float32)
    values[is_track], values[~is_track] = of_tracks, of_towers
    return values


def _track_x(chunk: Chunk, links: Links) -> Floats:
    tracks = chunk["Track"]
    code = np.abs(chunk["PileUpMix"]["PID"][links.of_tracks])
    pt, eta = _doubles(tracks, "PT", "Eta")
    return np.column_stack(
        (
            np.full(len(tracks), ElementType.TRACK),
            pt,
            eta,
            *_direction(tracks["Phi"]),
            pt * np.cosh(eta),
            tracks["EtaOuter"],
            *_direction(tracks["PhiOuter"]),
            tracks["Charge"],
            code == 13,
            code == 11,
        )
    )


def _tower_x(towers: Objects) -> Floats:
    rows = np.zeros((len(towers), N_X))
    rows[:, 0] = ElementType.TOWER
    rows[:, 1:3] = np.column_stack((towers["ET"], towers["Eta"]))
    rows[:, 3:5] = np.column_stack(_direction(towers["Phi"]))
    rows[:, 5:8] = np.column_stack((towers["E"], towers["Eem"], towers["Ehad"]))
    return rows


def _track_truth(chunk: Chunk, links: Links) -> Floats:
    particles = chunk["PileUpMix"]
    code = particles["PID"][links.of_tracks]
    pid = np.full(len(code), int(Particle.CHARGED_HADRON))
    for its_code, its_class in _CLASS_OF_CODE.items():
        pid[np.abs(code) == its_code] = its_class
    pt, eta, phi, energy = (
        values[links.of_tracks] for values in _doubles(particles, "PT", "Eta", "Phi", "E")
    )
    return np.column_stack((pid, np.sign(code), pt, eta, *_direction(phi), energy))


def _tower_truth(chunk: Chunk, links: Links) -> Floats:
    """Sum the particles of each tower that have no track (docs/reference/data.md)."""
    particles, n_towers = chunk["PileUpMix"], len(chunk["Tower"])
    tracked = np.zeros(len(particles), dtype=bool)
    tracked[links.of_tracks] = True
    chosen = ~tracked[links.of_towers]
    tower, row = links.tower[chosen], links.of_towers[chosen]

    pt, eta, phi, energy = (values[row] for values in _doubles(particles, "PT", "Eta", "Phi", "E"))
    kind = _kind(particles["PID"][row], particles["Charge"][row])
    n_kinds = len(TOWER_CLASSES)
    by_kind = sums(tower * n_kinds + kind, energy, n_towers * n_kinds).reshape(n_towers, n_kinds)
    pid = np.asarray(TOWER_CLASSES)[np.argmax(by_kind, axis=1)]
    px, py, pz, total = (
        sums(tower, values, n_towers)
        for values in (pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), energy)
    )
    return _tower_labels(pid, px, py, pz, total)


def sums(index: Ints, values: Floats, n: int) -> Floats:
    """Return the sum of the values of each index, shape (n,), in double precision."""
    # `bincount` adds one after another, in order, as the reference does.
    return np.bincount(index, weights=values, minlength=n).astype(np.float64, copy=False)


def _kind(code: Ints, charge: Ints) -> Ints:
    """Return the place in `TOWER_CLASSES` of particles with these PDG codes and charges."""
    hadron = np.where(np.abs(charge) == 1, 1, 0)
    code = np.abs(code)
    return np.select([code == 130, code == 211, code == 22, code == 11], [0, 1, 2, 3], hadron)


def _tower_labels(pid: Ints, px: Floats, py: Floats, pz: Floats, energy: Floats) -> Floats:
    pt, phi = np.hypot(px, py), np.arctan2(py, px)
    eta = np.arcsinh(np.divide(pz, pt, out=np.zeros_like(pz), where=pt > 0))
    beyond = (pid == Particle.CHARGED_HADRON) & (np.abs(eta) > detector.TRACK_MAX_ETA)
    pid = np.where(beyond, Particle.NEUTRAL_HADRON, pid)
    charge = np.isin(pid, (Particle.CHARGED_HADRON, Particle.ELECTRON))
    rows = np.column_stack((pid, charge, pt, eta, *_direction(phi), energy))
    soft = (pid == Particle.NEUTRAL_HADRON) & (energy < NEUTRAL_HADRON_MIN_GEV)
    rows[soft] = 0.0  # also where there is no particle
    return rows


def _track_candidates(chunk: Chunk) -> Floats:
    """Return the candidate with the same particle as each track; its energy is 0 as published."""
    tracks = chunk["Track"]
    rows = np.zeros((len(tracks), N_Y))
    for name, pid in _CANDIDATES_OF_TRACKS:
        candidates = chunk[name]
        own, theirs = (key(o.event, o["Particle"]) for o in (tracks, candidates))
        found = find(theirs, own)
        mine = np.flatnonzero(found >= 0)
        pt, eta, phi = (v[found[mine]] for v in _doubles(candidates, "PT", "Eta", "Phi"))
        charge = candidates["Charge"][found[mine]]
        rows[mine, :6] = np.column_stack(
            (np.full(len(mine), pid), charge, pt, eta, *_direction(phi))
        )
    return rows


def _tower_candidates(chunk: Chunk) -> Floats:
    """Return the candidate in exactly the direction of each tower; its pt is 0 as published."""
    towers = chunk["Tower"]
    rows = np.zeros((len(towers), N_Y))
    for name, pid in _CANDIDATES_OF_TOWERS:
        candidates = chunk[name]
        found = find(*_same_direction(candidates, towers))
        mine = np.flatnonzero(found >= 0)
        eta, phi, energy = (v[found[mine]] for v in _doubles(candidates, "Eta", "Phi", "E"))
        rows[mine, 0] = pid
        rows[mine, 3:] = np.column_stack((eta, *_direction(phi), energy))
    return rows


def _same_direction(*objects: Objects) -> list[Ints]:
    """Number the objects so that those of one event with equal (Eta, Phi) have equal numbers."""
    rows = np.concatenate(
        [np.column_stack((o.event, *_doubles(o, "Eta", "Phi"))) for o in objects]
    )
    numbers = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
    return np.split(numbers, np.cumsum([len(o) for o in objects])[:-1])


def _doubles(objects: Objects, *names: str) -> list[Floats]:
    return [objects[name].astype(np.float64) for name in names]


def _direction(phi: NDArray[np.floating]) -> tuple[Floats, Floats]:
    angle = phi.astype(np.float64)
    return np.sin(angle), np.cos(angle)
