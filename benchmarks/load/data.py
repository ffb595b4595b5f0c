"""Memory, start-up and waiting of processes that train on the same events.

    python -m benchmarks.load.data [n_events=[1000,4000]] [folder=DIR] [out=FILE]

Random events with the sizes of pile-up 200, in files of 500, as `experiment=full` has them; the
files are names of one file, so that only the mapped copy needs disk: 0.53 GB per 1000 events. Each
row is a new process, measured from after its imports:

- `read`: all files into memory, as without mapped copies;
- `copy`: makes the mapped copy;
- `epoch`: opens the copy, then takes all batches of an epoch in random order;
- `cold`: the same after the copy was dropped from the page cache;
- `pair`: two processes at once that do the same as `epoch`; the mean of both.

`peak` is the peak of the resident memory above that after the imports, and it counts mapped pages;
`own` is the largest share of this process (PSS) between two batches, above the same. The last
rows are the share of the loader in the CPU time of real train steps, with one thread.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, astuple, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from benchmarks.record import write_result
from commons.cli import UsageError, run_command
from mlpf.data.copies import Chosen, open_events
from mlpf.data.events import Events
from mlpf.data.files import read_events, write_events
from mlpf.data.loader import BatchLoader, BatchSampler
from mlpf.data.ragged import offsets_of
from mlpf.data.selection import Selection
from mlpf.network.model import MLPF
from mlpf.training.losses import ParticleFlowLoss
from testbed.machine import now

_DEPENDS = (
    "benchmarks.load.data",
    "mlpf.data.batch",
    "mlpf.data.copies",
    "mlpf.data.files",
    "mlpf.data.loader",
    "mlpf.data.mapped",
    "mlpf.data.selection",
    "mlpf.network.gnn_lsh",
    "mlpf.network.model",
    "mlpf.training.losses",
)

_PER_FILE = 500
_PU200, _PU20 = 5000, 700  # elements of an event
_MAX_ELEMENTS = 32_000  # of a batch, as `experiment=full`
_MAX_READ = 1000  # events; `read` needs memory for all of them

T = TypeVar("T")


@dataclass
class Settings:
    """What the command line may set.

    Args:
        n_events: numbers of events, at least 500 each and multiples of 500.
        folder: for the events and their copy; a temporary one if not given.
        out: the JSON file to write.
    """

    n_events: list[int] = field(default_factory=lambda: [1000, 4000])
    folder: Path | None = None
    out: Path = Path(__file__).parents[1] / "results" / "data.json"


@dataclass(frozen=True)
class Use:
    """What a process needed, above what its imports had used.

    Attributes:
        start_s: wall time until the first batch could be taken.
        start_cpu_s: CPU time for the same.
        peak_mb: peak of the resident memory, mapped pages included.
        own_mb: largest proportional share of memory (PSS) between two batches.
        batch_ms: wall time of a batch.
        batch_cpu_ms: CPU time of a batch.
    """

    start_s: float
    start_cpu_s: float
    peak_mb: float
    own_mb: float = 0.0
    batch_ms: float = 0.0
    batch_cpu_ms: float = 0.0


def synthetic(n_events: int, mean_elements: int) -> Events:
    """Return random events of 0.6 to 1.4 times `mean_elements` elements."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(int(0.6 * mean_elements), int(1.4 * mean_elements), n_events)
    n = int(sizes.sum())
    pt, eta, phi = rng.exponential(5, n) + 1, rng.uniform(-2, 2, n), rng.uniform(-3, 3, n)
    particle = np.column_stack([pt, eta, np.sin(phi), np.cos(phi), pt * np.cosh(eta)])
    x = np.column_stack([np.full(n, 2), particle, particle[:, 1:4], np.ones(n), np.zeros((n, 2))])
    y = np.column_stack([np.ones((n, 2)), particle]).astype(np.float32)
    return Events(x.astype(np.float32), y, y, offsets_of(sizes))


def make_files(folder: Path, n_events: int) -> list[Path]:
    """Return files of `n_events` events; all are names of one file."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"train-{i:03d}.parquet" for i in range(n_events // _PER_FILE)]
    write_events(synthetic(_PER_FILE, _PU200), files[0])
    for file in files[1:]:
        os.link(files[0], file)
    return files


def read(files: Sequence[Path]) -> Use:
    """Read all files into memory."""
    clock = _Clock()
    events = read_events(*files)
    assert len(events)  # they are held until the memory was read
    return Use(*clock(), own_mb=clock.own_mb())


def copy(files: Sequence[Path]) -> Use:
    """Open the events; the first process makes the copy."""
    clock = _Clock()
    open_events(Chosen("train", files, Selection()))
    return Use(*clock())


def epoch(files: Sequence[Path]) -> Use:
    """Take the batches of an epoch."""
    clock = _Clock()
    events = open_events(Chosen("train", files, Selection()))
    events.fingerprint()
    sampler = BatchSampler(events.sizes, _MAX_ELEMENTS, shuffle=True, seed=1)
    loader = BatchLoader(events, sampler)
    start_s, start_cpu_s, _ = clock()
    own_mb, n_batches = 0.0, 0
    before, cpu_before = time.perf_counter(), time.process_time()
    for n_batches, batch in enumerate(loader, 1):
        if n_batches % 10 == 0:
            own_mb = max(own_mb, clock.own_mb() - _mb(batch.x, batch.ygen, batch.ycand))
    wall_ms = 1e3 * (time.perf_counter() - before) / n_batches
    cpu_ms = 1e3 * (time.process_time() - cpu_before) / n_batches
    return Use(start_s, start_cpu_s, clock()[2], own_mb, wall_ms, cpu_ms)


def cold(files: Sequence[Path]) -> Use:
    """Drop the copy from the page cache, then do as `epoch`."""
    for path in (files[0].parent / "mapped").glob("*.arrow"):
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    return epoch(files)


def loader_share(mean_elements: int, max_elements: int, n_steps: int) -> dict[str, float]:
    """Return CPU times of the loader and of a train step of the default network, in ms."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "train.parquet"
        write_events(synthetic(64, mean_elements), path)
        events = open_events(Chosen("train", [path], Selection()))
        sampler = BatchSampler(events.sizes, max_elements, shuffle=True, seed=1)
        batches = iter(BatchLoader(events, sampler))
        network, loss = MLPF(), ParticleFlowLoss()
        optimizer = torch.optim.Adam(network.parameters())
        times = []
        for _ in range(n_steps):
            start = time.process_time()
            batch = next(batches)
            loaded = time.process_time()
            optimizer.zero_grad()
            loss(network(batch), batch)["loss"].backward()
            optimizer.step()
            times.append((loaded - start, time.process_time() - loaded))
    loader_ms, step_ms = (1e3 * float(np.median(column)) for column in zip(*times, strict=True))
    return {"loader_ms": loader_ms, "step_ms": step_ms, "share": loader_ms / step_ms}


class _Clock:
    """Time and memory since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        self._before_mb = _of_process("status", "VmRSS")
        self._own_before_mb = _of_process("smaps_rollup", "Pss")

    def __call__(self) -> tuple[float, float, float]:
        """Return wall and CPU seconds, and the peak of the memory in MB."""
        peak_mb = _of_process("status", "VmHWM") - self._before_mb
        return time.perf_counter() - self._wall, time.process_time() - self._cpu, peak_mb

    def own_mb(self) -> float:
        """Return the growth of the proportional share of memory."""
        return _of_process("smaps_rollup", "Pss") - self._own_before_mb


def _of_process(file: str, name: str) -> float:
    lines = Path(f"/proc/self/{file}").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(f"{name}:"))


def _mb(*tensors: torch.Tensor) -> float:
    return sum(tensor.nbytes for tensor in tensors) / 1e6


def _in_processes(n: int, function: Callable[..., T], *arguments: Any) -> list[T]:
    """Return what a function returns in each of `n` new processes at once."""
    with ProcessPoolExecutor(n, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(function, *arguments) for _ in range(n)]
        return [future.result() for future in futures]


def measure(n_events: int, folder: Path, has_read: bool) -> dict[str, Use]:
    """Return what the processes need for `n_events` events; the files are removed.

    `has_read` is whether to measure `read`, which needs memory for all events.
    """
    files = make_files(folder, n_events)
    try:
        rows = {"read": _in_processes(1, read, files)} if has_read else {}
        rows |= {
            function.__name__: _in_processes(1, function, files)
            for function in (copy, epoch, cold)
        }
        rows["pair"] = _in_processes(2, epoch, files)
    finally:
        shutil.rmtree(folder)
    return {
        name: Use(*np.mean([astuple(use) for use in uses], axis=0).round(3).tolist())
        for name, uses in rows.items()
    }


HEAD = "events  process  start/s  CPU/s  peak/MB  own/MB  batch/ms  CPU/ms"


def row(n_events: int, name: str, use: Use) -> str:
    """Return a line of the table."""
    return (
        f"{n_events:6}  {name:7} {use.start_s:8.2f} {use.start_cpu_s:6.2f} {use.peak_mb:8.0f} "
        f"{use.own_mb:7.0f} {use.batch_ms:9.2f} {use.batch_cpu_ms:7.2f}"
    )


def main(arguments: list[str]) -> int:
    """Measure, print and write the JSON file; see the module's text."""
    return run_command(_measure, Settings, arguments, __doc__)


def _measure(settings: Settings) -> int:
    for n_events in settings.n_events:
        if n_events < _PER_FILE or n_events % _PER_FILE:
            raise UsageError(f"n_events={n_events}: expected a multiple of {_PER_FILE}")
    results, imports_mb = [], _in_processes(1, _imports_mb)[0]
    print(f"memory after the imports: {imports_mb:.0f} MB\n{HEAD}", flush=True)
    parent = Path(tempfile.mkdtemp(prefix="data-", dir=settings.folder))
    try:
        for n_events in settings.n_events:
            uses = measure(n_events, parent / str(n_events), n_events <= _MAX_READ)
            for name, use in uses.items():
                results.append({"n_events": n_events, "process": name, **asdict(use)})
                print(row(n_events, name, use), flush=True)
    finally:
        shutil.rmtree(parent)
    shares = {
        "pile-up 20, batches of 4,096": _in_processes(1, loader_share, _PU20, 4096, 8)[0],
        "pile-up 200, batches of 32,000": _in_processes(1, loader_share, _PU200, 32_000, 2)[0],
    }
    for name, share in shares.items():
        print(f"{name}: loader {share['loader_ms']:.2f} of {share['step_ms']:.0f} ms CPU time")
    report = {"imports_mb": imports_mb, "uses": results, "loader": shares, "date": now()}
    write_result(settings.out, report, command="make bench-data", depends=_DEPENDS)
    print(f"written to {settings.out}")
    return 0


def _imports_mb() -> float:
    return _of_process("status", "VmRSS")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
