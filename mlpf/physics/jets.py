"""Jets of particles: anti-kt with R = 0.4 ([Cacciari2008]_), matched one to one.

The only module that imports `fastjet`, and only when jets are made: it is an extra of its own
(`mlpf-hpo[jets]`) and holds code under the GPL.

.. [Cacciari2008] The anti-kt jet clustering algorithm, arXiv:0802.1189.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlpf.data.events import Events
from mlpf.physics.results import Values
from mlpf.physics.sample import Indices, Labels, usable

RADIUS: Final = 0.4
MAX_DISTANCE: Final = 0.2  # of matched jets
_TINY: Final = 1e-12


@dataclass(frozen=True)
class Jets:
    """The jets of some events, sorted by event and then by falling pt."""

    event: Indices  # shape (J,)
    pt: Values  # in GeV
    eta: Values
    phi: Values


@dataclass(frozen=True)
class Momenta:
    """Four-momenta of particles in GeV; `event` never decreases."""

    event: Indices  # shape (P,)
    px: Values
    py: Values
    pz: Values
    energy: Values

    @classmethod
    def of(cls, labels: Labels, event: Indices) -> Momenta:
        """Return those of the rows of `labels`, columns `schema.Y_COLUMNS`, that are particles."""
        found = usable(labels)
        pt, eta, sin_phi, cos_phi, energy = labels[found, 2:7].T.astype(np.float64)
        return cls(event[found], pt * cos_phi, pt * sin_phi, pt * np.sinh(eta), energy)

    @classmethod
    def generated(cls, events: Events) -> Momenta:
        """Return those of the visible final-state particles of the hard process."""
        known = events.generator
        assert known is not None
        chosen = known.visible & (known.vertex == 0)
        event = np.repeat(np.arange(len(events)), np.diff(known.offsets))[chosen]
        columns = (known.pt, known.eta, known.phi, known.energy)
        pt, eta, phi, energy = (column[chosen].astype(np.float64) for column in columns)
        return cls(event, pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), energy)

    def massless(self) -> Momenta:
        """Return the same particles with energy = momentum."""
        p = np.sqrt(self.px**2 + self.py**2 + self.pz**2)
        return Momenta(self.event, self.px, self.py, self.pz, p)


def has_fastjet() -> bool:
    """Tell whether the packages of the extra `jets` are installed."""
    return all(importlib.util.find_spec(name) for name in ("fastjet", "awkward"))


def cluster(collections: Sequence[Momenta], n_events: int, *, pt_min: float) -> list[Jets]:
    """Return the jets above `pt_min` GeV of each collection of particles of `n_events` events.

    Raises:
        ModuleNotFoundError: the extra `jets` is not installed.
    """
    import awkward
    import fastjet
    from fastjet._swig import ClusterSequence  # the public class can't silence its banner

    ClusterSequence.set_fastjet_banner_stream(None)
    # All collections in one call, which takes longer than the clustering of an event.
    counts = np.concatenate([np.bincount(c.event, minlength=n_events) for c in collections])
    names = {"px": "px", "py": "py", "pz": "pz", "E": "energy"}
    flat = {k: np.concatenate([getattr(c, v) for c in collections]) for k, v in names.items()}
    particles = awkward.unflatten(awkward.zip(flat, with_name="Momentum4D"), counts)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, RADIUS)
    found = fastjet.ClusterSequence(particles, definition).inclusive_jets(min_pt=pt_min)
    n_jets = awkward.to_numpy(awkward.num(found))
    event = np.repeat(np.tile(np.arange(n_events), len(collections)), n_jets)
    momenta = [awkward.to_numpy(awkward.flatten(found[name])) for name in ("px", "py", "pz")]
    ends = np.cumsum(n_jets.reshape(len(collections), n_events).sum(1))[:-1]
    parts = zip(*(np.split(values, ends) for values in (event, *momenta)), strict=True)
    return [_jets(*part) for part in parts]


def _jets(event: Indices, px: Values, py: Values, pz: Values) -> Jets:
    pt = np.hypot(px, py)
    order = np.lexsort((-pt, event))
    eta = np.arcsinh(pz / np.maximum(pt, _TINY))
    return Jets(event[order], pt[order], eta[order], np.arctan2(py, px)[order])


@dataclass(frozen=True)
class Match:
    """For each jet of a set its partner in another one."""

    pt: Values  # of the partner, NaN without one
    distance: Values  # dR to it, infinite without one


def match(jets: Jets, others: Jets) -> tuple[Match, Match]:
    """Pair the jets of two sets one to one, always the closest pair first, up to dR = 0.2.

    Pairs below a smaller dR are those that a smaller limit gives.

    Returns:
        For each of `jets` its partner, and for each of `others`.
    """
    partner, distance = _pairs(jets, others)
    back = np.full(len(others.pt), -1)
    distance_back = np.full(len(others.pt), np.inf)
    paired = np.flatnonzero(partner >= 0)
    back[partner[paired]] = paired
    distance_back[partner[paired]] = distance[paired]
    return (
        Match(_taken(others.pt, partner), distance),
        Match(_taken(jets.pt, back), distance_back),
    )


def _taken(values: Values, index: Indices) -> Values:
    taken = np.full(len(index), np.nan)
    taken[index >= 0] = values[index[index >= 0]]
    return taken


def _pairs(jets: Jets, others: Jets) -> tuple[Indices, Values]:
    partner, distance = np.full(len(jets.pt), -1), np.full(len(jets.pt), np.inf)
    i, j, dr = _close(jets, others)
    free = np.ones(len(others.pt), bool)
    for k in np.argsort(dr, kind="stable"):
        if partner[i[k]] < 0 and free[j[k]]:
            partner[i[k]], distance[i[k]], free[j[k]] = j[k], dr[k], False
    return partner, distance


def _close(jets: Jets, others: Jets) -> tuple[Indices, Indices, Values]:
    """Return all pairs of the same event with dR < 0.2."""
    first = np.searchsorted(others.event, jets.event, side="left")
    n = np.searchsorted(others.event, jets.event, side="right") - first
    i = np.repeat(np.arange(len(jets.pt)), n)
    j = np.arange(len(i)) + np.repeat(first - (np.cumsum(n) - n), n)
    dphi = np.abs(jets.phi[i] - others.phi[j])
    dphi = np.minimum(dphi, 2 * np.pi - dphi)
    dr = np.hypot(jets.eta[i] - others.eta[j], dphi)
    near: NDArray[np.bool_] = dr < MAX_DISTANCE
    return i[near], j[near], dr[near]
