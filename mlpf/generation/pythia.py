"""Collisions from Pythia 8, [Pythia8.3]_; the only module that imports it.

Pythia is an optional extra of the package (`[simulation]`) because of its license.

.. [Pythia8.3] C. Bierlich et al., A comprehensive guide to Pythia 8.3, arXiv:2203.11601.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from commons.files import replacing
from mlpf.config import ConfigError
from mlpf.data.ragged import offsets_of
from mlpf.generation.gun import Gun
from mlpf.generation.pileup import Pool, join
from mlpf.generation.processes import Process
from mlpf.generation.production import COMMON, digest
from mlpf.generation.simulation import RECORD

_BATCH: Final = 50  # events per call of Pythia


def make_events(process: Process, n_events: int, pythia_seed: int, cache: Path) -> Iterator[Pool]:
    """Yield `n_events` events of a process, in batches: all particles that are stable.

    The folder `cache` should have the tables of `make_tables`: missing ones are made, but then
    the events are different, because making tables draws random numbers.

    Raises:
        ValueError: Pythia does not accept the process, or can't make it.
    """
    pythia = _start_pythia(process, pythia_seed, _tables(process, cache))
    shots = np.random.default_rng(pythia_seed)
    made = 0
    while made < n_events:
        n = min(_BATCH, n_events - made)
        if process.gun is None:
            events = _stable_particles(pythia, pythia.nextBatch(n))
        else:
            events = join([_shoot(pythia, process.gun, shots) for _ in range(n)])
        if not len(events):
            raise ValueError(f"process {process.name}: Pythia makes no events of it")
        made += len(events)
        yield events


def _stable_particles(pythia: Any, batch: Any) -> Pool:
    """Return the particles of an awkward array of event records that are stable."""
    import awkward as ak

    particles = batch.prt

    def column(field: Any) -> NDArray[Any]:
        flat: NDArray[Any] = ak.to_numpy(ak.flatten(field))
        return flat

    keep = column(particles.status) > 0
    pid = column(particles.id)[keep]
    records = np.empty(len(pid), dtype=RECORD)
    records["pid"] = pid
    records["charge"] = _charges(pythia, pid)
    records["energy"] = column(particles.p.e)[keep]
    for name in ("px", "py", "pz"):
        records[name] = column(getattr(particles.p, name))[keep]
    for name in ("x", "y", "z"):  # the vertex is a four-vector with the names of a momentum
        vertex = ak.fill_none(getattr(particles.vProd, f"p{name}"), 0.0)
        records[name] = column(vertex)[keep]
    event = np.repeat(np.arange(len(batch)), ak.to_numpy(ak.num(particles.id)))
    sizes = np.bincount(event[keep], minlength=len(batch))
    return Pool(records, offsets_of(sizes))


def _shoot(pythia: Any, gun: Gun, rng: np.random.Generator) -> Pool:
    """Return one event of a gun after the decays."""
    masses = {code: pythia.particleData.m0(code) for code in gun.pid}
    particles = gun.shoot(masses, rng)
    pythia.event.reset()
    for pid, px, py, pz, energy in zip(*(values.tolist() for values in particles), strict=True):
        pythia.event.append(pid, 1, 0, 0, px, py, pz, energy, masses[pid])
    if not pythia.next():
        raise ValueError(f"gun.pid {gun.pid}: Pythia can't let them decay")
    final = [
        (p.id(), round(p.charge()), p.px(), p.py(), p.pz(), p.e(), p.xProd(), p.yProd(), p.zProd())
        for p in pythia.event
        if p.isFinal()
    ]
    return Pool(np.array(final, dtype=RECORD), np.array([0, len(final)]))


def _charges(pythia: Any, pid: NDArray[Any]) -> NDArray[np.int8]:
    codes, inverse = np.unique(pid, return_inverse=True)
    charges = [round(pythia.particleData.charge(int(code))) for code in codes]
    return np.asarray(charges, dtype=np.int8)[inverse]


def make_tables(process: Process, cache: Path) -> None:
    """Let Pythia write the tables that take most of its start time, unless they exist.

    Raises:
        ConfigError: Pythia is not installed.
        ValueError: Pythia does not accept the process.
    """
    _import_pythia()
    tables = _tables(process, cache)
    if tables.is_file():
        return
    with replacing(tables) as partial:
        _start_pythia(process, 1, partial)
        partial.touch()  # not written without multiparton interactions


def _tables(process: Process, cache: Path) -> Path:
    return cache / f"multiparton-{digest(process.settings)}.txt"


def _start_pythia(process: Process, seed: int, tables: Path) -> Any:
    """Return Pythia, ready to make events; it writes its `tables` if they are missing."""
    pythia = _import_pythia().Pythia("", False)
    seeded = ("Random:setSeed = on", f"Random:seed = {seed}")
    reused = "MultipartonInteractions:reuseInit = 3"
    for setting in ("Print:quiet = on", *COMMON, *process.settings, *seeded, reused):
        if not pythia.readString(setting, False):
            raise ValueError(f"process {process.name}: Pythia does not know {setting!r}")
    # not by readString, which cuts a path at its first space
    pythia.settings.word("MultipartonInteractions:initFile", str(tables))
    if process.gun is not None:
        _check_gun(process.gun, pythia.particleData)
    if not pythia.init():
        raise ValueError(f"process {process.name}: Pythia can't start with {process.settings}")
    return pythia


def _check_gun(gun: Gun, data: Any) -> None:
    for code in gun.pid:
        if not data.isParticle(code) or data.colType(code) or data.isResonance(code):
            raise ValueError(f"gun.pid has {code}, which is no code of a particle that flies")
        if gun.energy is not None and gun.energy[0] < data.m0(code):
            raise ValueError(
                f"gun.energy begins below the mass of {code}, {data.m0(code):.6g} GeV"
            )


def _import_pythia() -> Any:
    try:
        import awkward  # noqa: F401
        import pythia8mc
    except ImportError as error:
        raise ConfigError(
            f"generating events needs the package {error.name}: pip install 'mlpf-hpo[simulation]'"
        ) from error
    return pythia8mc
