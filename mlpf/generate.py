"""Command: proton collisions from Pythia 8, seen by the simulated detector, to Parquet.

This is the only module that needs Pythia, [Pythia8.3]_, which is an optional extra of the package
(`[simulation]`) because of its licence.

A folder receives `train-000.parquet`, ..., `val-000.parquet`, ..., `test-000.parquet`, ... and a
subfolder `pythia` with what is made once: the pools of pile-up events and tables for Pythia's
start. Each file is one task with its own seeds, so the events do not depend on the number of
processes, and an interrupted generation goes on with the files that are missing. Training events
share no pile-up event with the others.

.. [Pythia8.3] C. Bierlich et al., A comprehensive guide to Pythia 8.3, arXiv:2203.11601.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import hydra
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from omegaconf import DictConfig
from rich.console import Console

from mlpf import __version__, detector
from mlpf.config import ConfigError, config_dir
from mlpf.events import from_arrays, read_provenance, write_parquet
from mlpf.files import locked
from mlpf.parallel import advance, run_tasks
from mlpf.particle_flow import LABELS, simulate_event
from mlpf.pileup import Pool, join, mix
from mlpf.simulation import RECORD

SPLITS: Final = ("train", "val", "test")
PILEUPS: Final = (0, 20, 50, 200)
PROCESSES: Final[dict[str, tuple[str, ...]]] = {
    "ttbar": ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on"),
    "qcd": ("HardQCD:all = on", "PhaseSpace:pTHatMin = 20."),
}
MINIMUM_BIAS: Final = (
    "SoftQCD:nonDiffractive = on",
    "SoftQCD:singleDiffractive = on",
    "SoftQCD:doubleDiffractive = on",
)
# Settings of the published data set. Its PDF set comes from LHAPDF there; 13 is the same set.
COMMON: Final = (
    "Beams:eCM = 14000.",
    "Tune:pp = 14",
    "Tune:ee = 7",
    "PDF:pSet = 13",
    "SpaceShower:rapidityOrder = on",
    "SpaceShower:pT0Ref = 1.56",
    "SpaceShower:pTmaxFudge = 0.91",
    "SpaceShower:pTdampFudge = 1.05",
    "SpaceShower:alphaSvalue = 0.127",
    "TimeShower:alphaSvalue = 0.127",
    "SigmaProcess:alphaSvalue = 0.140",
    "BeamRemnants:primordialKThard = 1.88",
    "MultipartonInteractions:pT0Ref = 2.09",
    "MultipartonInteractions:alphaSvalue = 0.126",
    "ColourReconnection:range = 1.71",
    "ParticleDecays:limitTau0 = on",
    "ParticleDecays:tau0Max = 10",
    "6:m0 = 172.5",
)

_BATCH = 50  # events per call of Pythia
_POOL_TASK = 500  # pool events per task
_MAX_ETA = 5.5  # nothing beyond reaches a calorimeter, which ends at 5
_NEUTRINOS = (12, 14, 16)
_MAX_PYTHIA_SEED = 900_000_000
_SAME = ("process", "pileup", "seed", "n_minbias")  # what all files of a folder have in common


@dataclass(frozen=True)
class Job:
    """One file to be made.

    Args:
        path: the Parquet file.
        split: one of `SPLITS`.
        number: of the file within its split, from 0.
        n_events: events of the file.
        process: a key of `PROCESSES`.
        pileup: mean number of pile-up interactions.
        seed: of the whole generation.
        n_minbias: number of events of each pile-up pool.
    """

    path: Path
    split: str
    number: int
    n_events: int
    process: str
    pileup: int
    seed: int
    n_minbias: int

    @property
    def seeds(self) -> tuple[int, np.random.Generator]:
        """Pythia's seed and the source of all other random numbers."""
        return _seeds(self.seed, SPLITS.index(self.split), self.number)

    @property
    def pool_seed(self) -> tuple[int, int]:
        """Seeds of the pool: training events get another one than the rest."""
        return (self.seed, 0 if self.split == "train" else 1)

    @property
    def cache(self) -> Path:
        """Folder for what several files share."""
        return self.path.parent / "pythia"

    def is_done(self) -> bool:
        """Tell whether the file is there and complete.

        Raises:
            ConfigError: it is there, but made with other settings.
        """
        if not self.path.is_file():
            return False
        made = read_provenance(self.path)
        for key in _SAME:
            asked = getattr(self, key)
            if made.get(key) != asked:
                raise ConfigError(
                    f"{self.path} was made with {key}={made.get(key)}, asked is {key}={asked}: "
                    "choose another data.source.folder or delete the old files"
                )
        return bool(pq.read_metadata(self.path).num_rows == self.n_events)

    def provenance(self) -> dict[str, Any]:
        """Return how the events are made, for the metadata of the file."""
        pythia_seed, _ = self.seeds
        return {
            "generator": _pythia_version(),
            "made_by": f"mlpf.generate {__version__}",
            **{key: getattr(self, key) for key in _SAME},
            "split": self.split,
            "file": self.number,
            "pythia_seed": pythia_seed,
            "pool_seed": list(self.pool_seed),
            "settings": [*COMMON, *PROCESSES[self.process]],
            "settings_pileup": [*COMMON, *MINIMUM_BIAS],
            "detector_card": detector.CARD,
            "vertex_sigma_z_mm": detector.VERTEX_SIGMA_Z_MM,
            "labels": LABELS,
        }


def generate(
    folder: Path,
    process: str,
    pileup: int,
    n_events: Mapping[str, int],
    seed: int,
    n_minbias: int,
    events_per_file: int,
    n_processes: int | None = None,
) -> None:
    """Make the Parquet files of `folder` that are missing.

    Args:
        folder: where the files go, made if needed.
        process: `ttbar` or `qcd` (two jets with pt above 20 GeV), at 14 TeV.
        pileup: mean number of pile-up interactions: 0, 20, 50 or 200.
        n_events: number of events of each of the splits `train`, `val`, `test`; 0 for none.
        seed: at least 0; same seed, same events.
        n_minbias: number of different pile-up events per pool, at least 1; there is one pool for
            training and one for the other splits.
        events_per_file: at least 1.
        n_processes: at least 1; None for one per available core.

    Raises:
        ConfigError: an argument is out of range, Pythia is missing, or `folder` holds events made
            with other settings.
    """
    _check(process, pileup, n_events, seed, n_minbias, events_per_file, n_processes)
    folder = Path(folder).absolute()
    start = time.perf_counter()
    with locked(folder / ".lock"):
        jobs = [
            Job(folder / f"{split}-{i:03d}.parquet", split, i, n, process, pileup, seed, n_minbias)
            for split in SPLITS
            for i, n in enumerate(_file_sizes(n_events.get(split, 0), events_per_file))
        ]
        jobs = [job for job in jobs if not job.is_done()]
        if not jobs:
            return
        _prepare(jobs, n_processes)
        total = sum(job.n_events for job in jobs)
        costs = run_tasks(
            make_file, jobs, n_steps=total, description="events", n_processes=n_processes
        )
    pythia_ms, simulation_ms = 1000 * np.sum(costs, axis=0) / total
    Console(stderr=True, soft_wrap=True).print(
        f"{total} events in {folder}: {time.perf_counter() - start:.1f} s; CPU per event: "
        f"Pythia {pythia_ms:.1f} ms, pile-up and detector {simulation_ms:.1f} ms"
    )


def _check(
    process: str,
    pileup: int,
    n_events: Mapping[str, int],
    seed: int,
    n_minbias: int,
    events_per_file: int,
    n_processes: int | None,
) -> None:
    if process not in PROCESSES:
        raise ConfigError(f"data.source.process must be one of {[*PROCESSES]}, got {process!r}")
    if pileup not in PILEUPS:
        raise ConfigError(f"data.source.pileup must be one of {[*PILEUPS]}, got {pileup}")
    unknown = sorted(set(n_events) - set(SPLITS))
    if unknown:
        raise ConfigError(f"data.source.n_events has unknown splits {unknown}, not {[*SPLITS]}")
    limits: list[tuple[str, int | None, int]] = [
        (f"n_events.{split}", n, 0) for split, n in n_events.items()
    ]
    limits += [
        ("seed", seed, 0),
        ("n_minbias", n_minbias, 1),
        ("events_per_file", events_per_file, 1),
        ("n_processes", n_processes, 1),
    ]
    for name, value, least in limits:
        if value is not None and value < least:
            raise ConfigError(f"data.source.{name} must be >= {least}, got {value}")


def _file_sizes(n_events: int, events_per_file: int) -> list[int]:
    starts = range(0, n_events, events_per_file)
    return [min(events_per_file, n_events - start) for start in starts]


def _seeds(seed: int, *use: int) -> tuple[int, np.random.Generator]:
    """Return independent seeds for Pythia and numpy, for each `use`."""
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=use)
    pythia, simulation = sequence.spawn(2)
    pythia_seed = int(pythia.generate_state(1)[0]) % _MAX_PYTHIA_SEED + 1
    return pythia_seed, np.random.default_rng(simulation)


def _prepare(jobs: Sequence[Job], n_processes: int | None) -> None:
    """Make Pythia's tables and the pile-up pools that the jobs need."""
    cache = jobs[0].cache
    _make_tables(PROCESSES[jobs[0].process], cache)
    if jobs[0].pileup == 0:
        return
    pools = {pool_path(job): job for job in jobs}
    missing = [job for path, job in pools.items() if not path.is_file()]
    if missing:
        _make_tables(MINIMUM_BIAS, cache)
    for job in missing:
        sizes = _file_sizes(job.n_minbias, _POOL_TASK)
        tasks = [(cache, n, (*job.pool_seed, i)) for i, n in enumerate(sizes)]
        parts = run_tasks(
            _make_pool_part,
            tasks,
            n_steps=job.n_minbias,
            description="pile-up pool",
            n_processes=n_processes,
        )
        join(parts).save(pool_path(job))


def pool_path(job: Job) -> Path:
    """Return the file of the pile-up pool of a job."""
    seed, purpose = job.pool_seed
    name = f"pool-{seed}-{purpose}-{job.n_minbias}-{_digest(MINIMUM_BIAS)}.npz"
    return job.cache / name


def _make_pool_part(task: tuple[Path, int, tuple[int, int, int]]) -> Pool:
    cache, n_events, (seed, purpose, part) = task
    pythia_seed, _ = _seeds(seed, len(SPLITS), purpose, part)
    return join(list(make_events(MINIMUM_BIAS, n_events, pythia_seed, cache, report=True)))


def make_file(job: Job) -> tuple[float, float]:
    """Make one file.

    Returns:
        CPU seconds spent in Pythia, and in mixing and simulating.
    """
    pythia_seed, rng = job.seeds
    pool = Pool.load(pool_path(job)) if job.pileup else None
    pythia_s, simulation_s = 0.0, 0.0
    simulated = []
    clock = time.process_time()
    for batch in make_events(PROCESSES[job.process], job.n_events, pythia_seed, job.cache):
        pythia_s += time.process_time() - clock
        for i in range(len(batch)):
            clock = time.process_time()
            simulated.append(simulate_event(mix(batch.event(i), pool, job.pileup, rng), rng))
            simulation_s += time.process_time() - clock
            advance()
        clock = time.process_time()
    x, ygen, ycand = zip(*((e.x, e.ygen, e.ycand) for e in simulated), strict=True)
    write_parquet(from_arrays(x, ygen, ycand), job.path, job.provenance())
    return pythia_s, simulation_s


def make_events(
    process: Sequence[str],
    n_events: int,
    seed: int,
    cache: Path,
    *,
    report: bool = False,
) -> Iterator[Pool]:
    """Yield `n_events` events of a process, some at a time.

    Args:
        process: Pythia settings beyond `COMMON`.
        n_events: at least 1.
        seed: of Pythia, 1 to 900 000 000.
        cache: folder with the tables of `_make_tables`.
        report: advance the progress bar.
    """
    pythia = _start_pythia(process, seed, _tables(process, cache))
    made = 0
    while made < n_events:
        events = _stable_particles(pythia, pythia.nextBatch(min(_BATCH, n_events - made)))
        if not len(events):
            raise RuntimeError(f"Pythia gave no events for {process}")
        made += len(events)
        if report:
            advance(len(events))
        yield events


def _stable_particles(pythia: Any, batch: Any) -> Pool:
    """Pick what may reach the detector out of an awkward array of event records."""
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


def _start_pythia(process: Sequence[str], seed: int, tables: Path) -> Any:
    """Return Pythia, ready to make events; it writes its `tables` if they are not there."""
    pythia8mc = _import_pythia()
    pythia = pythia8mc.Pythia("", False)
    settings = (
        "Print:quiet = on",
        *COMMON,
        *process,
        "Random:setSeed = on",
        f"Random:seed = {seed}",
        "MultipartonInteractions:reuseInit = 3",
    )
    for setting in settings:
        if not pythia.readString(setting):
            raise RuntimeError(f"Pythia does not accept {setting!r}")
    # not by readString, which would cut a path at its first blank
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


def _pythia_version() -> str:
    return f"pythia8mc {importlib.metadata.version('pythia8mc')}"


def _digest(process: Sequence[str]) -> str:
    """Short name of a version of Pythia with its settings."""
    text = "\n".join((_pythia_version(), *COMMON, *process))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _tables(process: Sequence[str], cache: Path) -> Path:
    return cache / f"multiparton-{_digest(process)}.txt"


def _make_tables(process: Sequence[str], cache: Path) -> None:
    """Let Pythia write the tables that take most of its start.

    They are made before any event, because Pythia's random numbers go on differently after
    making them than after reading them.
    """
    _import_pythia()
    tables = _tables(process, cache)
    if tables.is_file():
        return
    cache.mkdir(parents=True, exist_ok=True)
    partial = tables.with_name(tables.name + ".partial")
    partial.unlink(missing_ok=True)
    _start_pythia(process, 1, partial)
    partial.rename(tables)


def run(cfg: DictConfig) -> None:
    """Run the command with the fields of `cfg.data.source`."""
    source = {key: value for key, value in cfg.data.source.items() if key != "_target_"}
    generate(**source, n_processes=cfg.n_processes)


@hydra.main(config_path=config_dir(), config_name="generate", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Run the command; see `python -m mlpf.generate --help`."""
    run(cfg)


if __name__ == "__main__":
    main()
