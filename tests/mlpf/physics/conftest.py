"""Events with truth and rules, made by hand or drawn, and real ones."""

from __future__ import annotations

import numpy as np
import pytest

from mlpf.data.events import Events, from_arrays
from mlpf.physics.sample import Answer

TOWER, TRACK = 1, 2


def particle(pid, charge, pt, eta, phi, energy=None):
    """A row of labels; massless unless an energy is given."""
    e = pt * np.cosh(eta) if energy is None else energy
    return [pid, charge, pt, eta, np.sin(phi), np.cos(phi), e]


def element(kind, labels):
    """The row of features of an element where a particle is."""
    _, charge, pt, eta, sin, cos, energy = labels
    return [kind, pt, eta, sin, cos, energy, energy, 0, 0, charge, 0, 0]


NOTHING = [0] * 7


@pytest.fixture
def by_hand():
    """A function: per event a list of (kind, true row, rule-based row) -> events."""

    def events(*per_event):
        x, ygen, ycand = [], [], []
        for rows in per_event:
            seen = [true if true[2] else given for _, true, given in rows]
            x.append(np.array([element(k, y) for (k, _, _), y in zip(rows, seen, strict=True)]))
            ygen.append(np.array([true for _, true, _ in rows]))
            ycand.append(np.array([given for _, _, given in rows]))
        return from_arrays(x, ygen, ycand)

    return events


@pytest.fixture(scope="session")
def drawn() -> Events:
    """Twelve events of 80 to 120 elements, some of them in jets; the rules err."""
    rng = np.random.default_rng(5)
    x, ygen, ycand = [], [], []
    for n in rng.integers(80, 120, 12):
        axis = rng.uniform(-1.5, 1.5, (4, 2))[rng.integers(0, 4, n)]
        eta, phi = (axis + rng.normal(0, 0.15, (n, 2))).T
        kind = rng.integers(1, 3, n)
        pid = np.where(kind == TRACK, 1, rng.choice([0, 2, 3], n))
        pt = rng.exponential(4, n) + 0.5
        rows = [
            particle(p, float(k - 1), *m) for p, k, *m in zip(pid, kind, pt, eta, phi, strict=True)
        ]
        true = np.array(rows)
        given = true.copy()
        given[:, 2] *= rng.lognormal(0.05, 0.2, n)
        given[:, 6] = given[:, 2] * np.cosh(eta)
        wrong = (kind == TOWER) & (rng.random(n) < 0.2)
        given[wrong, 0] = rng.choice([0, 2, 3], wrong.sum())
        x.append(np.array([element(k, y) for k, y in zip(kind, rows, strict=True)]))
        ygen.append(true * (pid > 0)[:, None])
        ycand.append(given * (given[:, :1] > 0))
    return from_arrays(x, ygen, ycand)


def truth_of(events: Events) -> Answer:
    """The truth as the answer of a network that is sure of it."""
    sure = np.eye(6, dtype=np.float32)[events.ygen[:, 0].astype(int)]
    return Answer(events.ygen, events.ygen, sure)


@pytest.fixture
def truth():
    return truth_of


@pytest.fixture
def noisy():
    """A function: events -> the answer of a network that errs, the same for the same event."""

    def answer(events: Events) -> Answer:
        y = events.ygen.copy()
        y[:, 2] *= 1 + 0.3 * np.sin(1000 * y[:, 2])
        y[:, 6] = y[:, 2] * np.cosh(y[:, 3])
        other = np.sin(1000 * events.x[:, 5]) > 0.8
        p = np.eye(6)[np.where(other, 0, y[:, 0]).astype(int)] + 0.1
        y[other] = 0
        return Answer(y, y, (p / p.sum(1, keepdims=True)).astype(np.float32))

    return answer


@pytest.fixture(scope="session")
def as_row():
    """A function: results, name, selection, column -> the row."""

    def find(results, name, selection, column):
        (found,) = [
            r
            for r in results
            if (r.name, r.selection, r.column) == (name, selection, column) and hasattr(r, "value")
        ]
        return found

    return find
