"""Collisions from Pythia 8, [Pythia8.3]_; the only module that imports it.

Pythia is an optional extra of the package (`[simulation]`) because of its license.

.. [Pythia8.3] C. Bierlich et al., A comprehensive guide to Pythia 8.3, arXiv:2203.11601.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from commons.files import replacing
from mlpf.config import ConfigError
from mlpf.generation.pileup import Pool
from mlpf.generation.production import COMMON, digest
from mlpf.generation.simulation import RECORD

_BATCH: Final = 50  # events per call of Pythia
_MAX_ETA: Final = 5.5  # nothing beyond reaches a calorimeter, which ends at 5
_NEUTRINOS: Final = (12, 14, 16)


def make_events(
    process: Sequence[str], n_events: int, pythia_seed: int, cache: Path
) -> Iterator[Pool]:
    """Yield `n_events` events of a process (Pythia settings beyond `COMMON`), in batches.

    The folder `cache` should have the tables of `make_tables`: missing ones are made, but then
    the events are different, because making tables draws random numbers.
    """
    pythia = _start_pythia(process, pythia_seed, _tables(process, cache))
    made = 0
    while made < n_events:
        events = _stable_particles(pythia, pythia.nextBatch(min(_BATCH, n_events - made)))
        if not len(events):
            raise RuntimeError(f"Pythia gave no events for {process}")
        made += len(events)
        yield events


def _stable_particles(pythia: Any, batch: Any) -> Pool:
    """Return the particles of an awkward array of event records that can reach the detector."""
    import awkward as ak

    particles = batch.prt

    def column(field: Any) -> NDArray[Any]:
        flat: NDArray[Any] = ak.to_numpy(ak.flatten(field))
        return flat

    momenta = {name: column(getattr(particles.p, name)) for name in ("px", "py", "pz")}
    pid = column(particles.id)
    pt = np.hypot(momenta["px"], momenta["py"])
    keep = (column(particles.status) > 0) & ~np.isin(np.abs(pid), _NEUTRINOS)
    keep &= np.abs(momenta["pz"]) < np.sinh(_MAX_ETA) * pt
    records = np.empty(np.count_nonzero(keep), dtype=RECORD)
    records["pid"] = pid[keep]
    records["charge"] = _charges(pythia, pid[keep])
    records["energy"] = column(particles.p.e)[keep]
    for name, values in momenta.items():
        records[name] = values[keep]
    for name in ("x", "y", "z"):  # the vertex is a four-vector with the names of a momentum
        vertex = ak.fill_none(getattr(particles.vProd, f"p{name}"), 0.0)
        records[name] = column(vertex)[keep]
    event = np.repeat(np.arange(len(batch)), ak.to_numpy(ak.num(particles.id)))
    sizes = np.bincount(event[keep], minlength=len(batch))
    return Pool(records, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))


def _charges(pythia: Any, pid: NDArray[Any]) -> NDArray[np.int8]:
    codes, inverse = np.unique(pid, return_inverse=True)
    charges = [round(pythia.particleData.charge(int(code))) for code in codes]
    return np.asarray(charges, dtype=np.int8)[inverse]


def make_tables(process: Sequence[str], cache: Path) -> None:
    """Let Pythia write the tables that take most of its start time, unless they exist.

    Raises:
        ConfigError: Pythia is not installed.
    """
    _import_pythia()
    tables = _tables(process, cache)
    if tables.is_file():
        return
    with replacing(tables) as partial:
        _start_pythia(process, 1, partial)


def _tables(process: Sequence[str], cache: Path) -> Path:
    return cache / f"multiparton-{digest(process)}.txt"


def _start_pythia(process: Sequence[str], seed: int, tables: Path) -> Any:
    """Return Pythia, ready to make events; it writes its `tables` if they are missing."""
    pythia = _import_pythia().Pythia("", False)
    seeded = ("Random:setSeed = on", f"Random:seed = {seed}")
    reused = "MultipartonInteractions:reuseInit = 3"
    for setting in ("Print:quiet = on", *COMMON, *process, *seeded, reused):
        if not pythia.readString(setting):
            raise RuntimeError(f"Pythia does not accept {setting!r}")
    # not by readString, which cuts a path at its first space
    pythia.settings.word("MultipartonInteractions:initFile", str(tables))
    if not pythia.init():
        raise RuntimeError(f"Pythia does not start with {process}")
    return pythia


def _import_pythia() -> Any:
    try:
        import awkward  # noqa: F401
        import pythia8mc
    except ImportError as error:
        raise ConfigError(
            f"generating events needs the package {error.name}: pip install 'mlpf-hpo[simulation]'"
        ) from error
    return pythia8mc
