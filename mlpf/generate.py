"""Command: proton collisions from Pythia 8, seen by the simulated detector, to Parquet.

This is the only module that needs Pythia, [Pythia8.3]_, which is an optional extra of the package
(`[simulation]`) because of its licence.

A folder receives `train-000.parquet`, ..., `val-000.parquet`, ..., `test-000.parquet`, ... and a
subfolder `pythia` with what is made once: the pools of pile-up events and tables for Pythia's
start. An interrupted generation goes on with the files that are missing. Training events share no
pile-up event with the others.

.. [Pythia8.3] C. Bierlich et al., A comprehensive guide to Pythia 8.3, arXiv:2203.11601.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import hydra
import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig
from rich.console import Console

from commons.files import locked
from mlpf.config import ConfigError, config_dir
from mlpf.data.events import from_arrays, write_parquet
from mlpf.generation.particle_flow import simulate_event
from mlpf.generation.pileup import Pool, join, mix
from mlpf.generation.production import (
    COMMON,
    MINIMUM_BIAS,
    PROCESSES,
    SPLITS,
    Job,
    digest,
    independent_seeds,
    plan,
    portions,
    require_at_least,
)
from mlpf.generation.simulation import RECORD
from mlpf.parallel import advance, run_tasks

_BATCH: Final = 50  # events per call of Pythia
_POOL_TASK: Final = 500  # pool events per task
_MAX_ETA: Final = 5.5  # nothing beyond reaches a calorimeter, which ends at 5
_NEUTRINOS: Final = (12, 14, 16)


def generate(
    folder: Path,
    process: str,
    pileup: int,
    n_events: Mapping[str, int],
    seed: int,
    n_minbias: int,
    events_per_file: int,
    n_processes: int | None = None,
    *,
    count_once: bool = True,
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
        n_processes: at least 1; None for one per available core. The events do not depend on it.
        count_once: see `particle_flow.tower_truth`.

    Raises:
        ConfigError: an argument is out of range, Pythia is missing, or `folder` holds events made
            with other settings.
    """
    if n_processes is not None:
        require_at_least(1, "n_processes", n_processes)
    folder = Path(folder).absolute()
    jobs = plan(
        *(folder, process, pileup, n_events, seed, n_minbias, events_per_file),
        count_once=count_once,
    )
    start = time.perf_counter()
    with locked(folder / ".lock"):
        jobs = [job for job in jobs if not job.is_done()]
        if not jobs:
            return
        _prepare(jobs, n_processes)
        total = sum(job.n_events for job in jobs)
        costs = run_tasks(
            make_file, jobs, n_steps=total, description="events", n_processes=n_processes
        )
    pythia_ms, simulation_ms = 1000 * np.sum(costs, axis=0) / total
    Console(stderr=True, soft_wrap=True, highlight=False).print(
        f"{total} events in {folder}: {time.perf_counter() - start:.1f} s; CPU per event: "
        f"Pythia {pythia_ms:.1f} ms, pile-up and detector {simulation_ms:.1f} ms"
    )


def _prepare(jobs: Sequence[Job], n_processes: int | None) -> None:
    """Make Pythia's tables and the pile-up pools that the jobs need."""
    make_tables(PROCESSES[jobs[0].process], jobs[0].cache)
    if jobs[0].pileup == 0:
        return
    missing = {job.pool_path: job for job in jobs if not job.pool_path.is_file()}
    if missing:
        seeds = [job.pool_seed for job in missing.values()]
        pools = make_pools(jobs[0].n_minbias, seeds, jobs[0].cache, n_processes)
        for path, pool in zip(missing, pools, strict=True):
            pool.save(path)


def make_file(job: Job) -> tuple[float, float]:
    """Make one file; the tables and pools that it needs are there.

    Returns:
        CPU seconds spent in Pythia, and in mixing and simulating.
    """
    pythia_seed, rng = job.seeds
    pool = Pool.load(job.pool_path) if job.pileup else None
    pythia_s, simulation_s = 0.0, 0.0
    simulated = []
    clock = time.process_time()
    for batch in make_events(PROCESSES[job.process], job.n_events, pythia_seed, job.cache):
        pythia_s += time.process_time() - clock
        clock = time.process_time()
        for i in range(len(batch)):
            particles = mix(batch.event(i), pool, job.pileup, rng)
            simulated.append(simulate_event(particles, rng, count_once=job.count_once))
            advance()
        simulation_s += time.process_time() - clock
        clock = time.process_time()
    x, ygen, ycand = zip(*((e.x, e.ygen, e.ycand) for e in simulated), strict=True)
    write_parquet(from_arrays(x, ygen, ycand), job.path, job.provenance())
    return pythia_s, simulation_s


def make_pools(
    n_events: int, seeds: Sequence[tuple[int, int]], cache: Path, n_processes: int | None
) -> list[Pool]:
    """Return one pool of minimum-bias events for each of `seeds`, made on several cores.

    Args:
        n_events: of each pool, at least 1.
        seeds: two numbers per pool, at least 0; its events depend on nothing else.
        cache: folder with Pythia's tables, which are made if they are missing.
        n_processes: at least 1; None for one per available core.
    """
    make_tables(MINIMUM_BIAS, cache)
    sizes = portions(n_events, _POOL_TASK)
    tasks = [
        (n, independent_seeds(seed, len(SPLITS), purpose, part)[0], cache)
        for seed, purpose in seeds
        for part, n in enumerate(sizes)
    ]
    parts = run_tasks(
        _make_pool_part,
        tasks,
        n_steps=n_events * len(seeds),
        description="pile-up pool",
        n_processes=n_processes,
    )
    starts = range(0, len(parts), len(sizes))
    return [join(parts[start : start + len(sizes)]) for start in starts]


def _make_pool_part(task: tuple[int, int, Path]) -> Pool:
    n_events, pythia_seed, cache = task
    batches = []
    for batch in make_events(MINIMUM_BIAS, n_events, pythia_seed, cache):
        batches.append(batch)
        advance(len(batch))
    return join(batches)


def make_events(
    process: Sequence[str], n_events: int, pythia_seed: int, cache: Path
) -> Iterator[Pool]:
    """Yield `n_events` events of a process, some at a time.

    Args:
        process: Pythia settings beyond `COMMON`.
        n_events: at least 1.
        pythia_seed: 1 to 900 000 000.
        cache: folder with the tables of `make_tables`. Where they are missing they are made, but
            then other events follow, because making them draws random numbers.
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


def make_tables(process: Sequence[str], cache: Path) -> None:
    """Let Pythia write the tables that take most of its start, unless they are there.

    Raises:
        ConfigError: Pythia is not installed.
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


def _tables(process: Sequence[str], cache: Path) -> Path:
    return cache / f"multiparton-{digest(process)}.txt"


def _start_pythia(process: Sequence[str], seed: int, tables: Path) -> Any:
    """Return Pythia, ready to make events; it writes its `tables` if they are not there."""
    pythia = _import_pythia().Pythia("", False)
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


def run(cfg: DictConfig) -> None:
    """Run the command with the fields of `cfg.data.source`.

    Raises:
        ConfigError: the chosen `data` is not generated, `generate` refuses a value, or the folder
            cannot be written or holds damaged files.
        SystemExit: Ctrl-C was pressed.
    """
    if cfg.data.get("source") is None:
        raise ConfigError("data has no source to generate from; choose data=pythia8")
    source = {key: value for key, value in cfg.data.source.items() if key != "_target_"}
    try:
        generate(**source, n_processes=cfg.n_processes)
    except KeyboardInterrupt:
        raise SystemExit("interrupted; the same command makes the missing files") from None
    except (OSError, ValueError) as error:
        raise ConfigError(str(error)) from error


@hydra.main(config_path=config_dir(), config_name="generate", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """Run the command; see `python -m mlpf.generate --help`."""
    run(cfg)


if __name__ == "__main__":
    main()
