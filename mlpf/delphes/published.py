"""Published Delphes events (Zenodo 4559324, `*.pkl.bz2`) and what is corrected in them.

A file is a pickled dict with the keys `X`, `ygen` and `ycand`, each a list of one array per event,
float32 or float64, of shapes (n, 12), (n, 7) and (n, 7); further keys are ignored.
"""

from __future__ import annotations

import bz2
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlpf.data.events import Events, from_arrays
from mlpf.delphes.unpickle import DamagedPickle, RefusedPickle, loads
from mlpf.schema import N_CLASSES, N_X, N_Y, X_COLUMNS, Y_COLUMNS, ElementType, Particle

MAX_BYTES: Final = 4 * 2**30  # decompressed; a published file has about 0.12 GiB
# Numbers of physics shrink to a half; repeated text shrinks a million times.
_SMALL: Final = 2**26
_MAX_RATIO: Final = 100
_WIDTHS: Final = {"X": N_X, "ygen": N_Y, "ycand": N_Y}
_PID, _CHARGE, _PT, _ETA, _ENERGY = (
    Y_COLUMNS.index(name) for name in ("pid", "charge", "pt", "eta", "energy")
)
_TYPE, _X_CHARGE = X_COLUMNS.index("type"), X_COLUMNS.index("charge")
_CHARGED: Final = (Particle.CHARGED_HADRON, Particle.ELECTRON, Particle.MUON)
_NEUTRAL: Final = (Particle.NEUTRAL_HADRON, Particle.PHOTON)


def read_published(path: Path) -> Events:
    """Return the events of one file without corrections; see `correct`.

    Raises:
        RefusedPickle: the file would run code; the message names the code and the file.
        DamagedPickle: the file is truncated, or an event has a wrong shape or impossible values;
            the message names the file and the event.
    """
    try:
        content = loads(_decompress(path))
        arrays = {key: _event_arrays(content, key) for key in _WIDTHS}
        _check_events(arrays)
    except RefusedPickle as error:
        raise RefusedPickle(f"refused: {error} in {path}") from error
    except DamagedPickle as error:
        raise DamagedPickle(f"{path}: {error}") from error
    with np.errstate(over="ignore"):  # infinity, which `mlpf.delphes.conversion` refuses
        return from_arrays(arrays["X"], arrays["ygen"], arrays["ycand"])


def _decompress(path: Path) -> bytes:
    try:
        limit = min(MAX_BYTES, _SMALL + _MAX_RATIO * path.stat().st_size)
        with bz2.open(path) as file:
            data = file.read(limit + 1)
    except (EOFError, OSError) as error:
        raise DamagedPickle(f"truncated or not bzip2 ({error})") from error
    if len(data) > limit:
        raise DamagedPickle(f"unpacks to more than {limit} bytes")
    return data


def _event_arrays(content: Any, key: str) -> list[NDArray[Any]]:
    if not isinstance(content, dict) or not isinstance(content.get(key), list):
        raise DamagedPickle(f"no list under the key {key!r}")
    if not content[key]:
        raise DamagedPickle(f"no events under the key {key!r}")
    arrays: list[NDArray[Any]] = content[key]
    if len({id(array) for array in arrays}) < len(arrays):  # would grow beyond the file's size
        raise DamagedPickle(f"one array stands for several events under the key {key!r}")
    return arrays


def _check_events(arrays: dict[str, list[NDArray[Any]]]) -> None:
    counts = {key: len(events) for key, events in arrays.items()}
    if len(set(counts.values())) > 1:
        raise DamagedPickle(f"different numbers of events: {counts}")
    for i, parts in enumerate(zip(*arrays.values(), strict=True)):
        event = dict(zip(arrays, parts, strict=True))
        problem = _problem(event)
        if problem:
            raise DamagedPickle(f"event {i}: {problem}")


def _problem(event: dict[str, Any]) -> str:
    """Return what is wrong with an event, empty if nothing is."""
    for key, width in _WIDTHS.items():
        array = event[key]
        if not isinstance(array, np.ndarray) or array.ndim != 2 or array.shape[1] != width:
            found = getattr(array, "shape", type(array).__name__)
            return f"{key} has shape {found}, need (n, {width})"
        if len(array) != len(event["X"]):
            return f"{key} has {len(array)} elements, X has {len(event['X'])}"
        if not np.isfinite(array).all():
            return f"{key} holds a value that is not finite"
    if not np.isin(event["X"][:, _TYPE], [*ElementType]).all():
        return "X holds an element that is neither tower (1) nor track (2)"
    for key in ("ygen", "ycand"):
        if not np.isin(event[key][:, _PID], np.arange(N_CLASSES)).all():
            return f"{key} holds a class outside 0 to {N_CLASSES - 1}"
    return ""


def track_charge(events: Events) -> None:
    """Give each track's true particle the charge that the track has.

    Published: the sign of the PDG code, which is the opposite of the charge for leptons and wrong
    for 1 % of the hadrons (Sigma-, Xi-, Omega- and their antiparticles). The simulation never
    changes the sign of a track, so the charge of the track is the true one.
    """
    tracks = (events.x[:, _TYPE] == ElementType.TRACK) & (events.ygen[:, _PID] != Particle.NONE)
    events.ygen[tracks, _CHARGE] = events.x[tracks, _X_CHARGE]


def candidate_energy(events: Events) -> None:
    """Fill the energy of charged candidates, published as 0: E = pt cosh(eta), without mass."""
    rows = np.isin(events.ycand[:, _PID], _CHARGED) & (events.ycand[:, _ENERGY] == 0)
    events.ycand[rows, _ENERGY] = events.ycand[rows, _PT] * np.cosh(events.ycand[rows, _ETA])


def candidate_pt(events: Events) -> None:
    """Fill the pt of neutral candidates, published as 0: pt = E / cosh(eta), without mass."""
    rows = np.isin(events.ycand[:, _PID], _NEUTRAL) & (events.ycand[:, _PT] == 0)
    events.ycand[rows, _PT] = events.ycand[rows, _ENERGY] / np.cosh(events.ycand[rows, _ETA])


CORRECTIONS: Final = (track_charge, candidate_energy, candidate_pt)
# Errors that the published files lack the information to correct; recorded in the metadata.
NOT_CORRECTED: Final = ("k0s_and_lambda_counted_in_two_towers", "charge_of_charged_towers_is_plus")


def correct(events: Events) -> Events:
    """Return the events with all `CORRECTIONS` applied."""
    fixed = replace(events, ygen=events.ygen.copy(), ycand=events.ycand.copy())
    with np.errstate(over="ignore", invalid="ignore"):  # as in `read_published`
        for correction in CORRECTIONS:
            correction(fixed)
    return fixed
