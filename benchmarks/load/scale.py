"""The share of time that many workers spend on anything but training (`make bench-scale`).

    python -m benchmarks.load.scale [kinds=[journal,...]] [workers=[96]] [epoch_s=2] ...
    python -m benchmarks.load.scale launcher=light workers=[256,512] epoch_s=20
    python -m benchmarks.load.scale launcher=light workers=[8,32,96] delay_ms=[1,10,50]

The application only waits, in epochs of about `epoch_s` with a report after each; a training of
hours has the same number of reports and trials, so these shares are far above those of a real
sweep. Kinds: journal, grpc (our proxy in front of a journal), optuna-grpc (its own),
redis, journal-postgresql (a journal in a table), postgresql (Optuna's tables), grpc-postgresql.

- launcher=local: a Hydra sweep with TPE and ASHA, workers as processes of `hpo_local`.
- launcher=slurm: the same on an emulated SLURM cluster, four workers per node.
- launcher=light: `hpo.optimize` with random search and ASHA in processes that share the memory of
  one, in a window of `window_s`; they can have a file system that is far away (`delay_ms`).

A row also has for how long workers hold a lock of a file, and what part of that they have no core.
Told are the share as it is, and the share without what a worker waits for a core: all workers and
servers share the cores of this machine, on a cluster each has its own. Sweeps begin when the last
worker is ready. Rows are added to benchmarks/results/scale.json one by one, or replace older ones
there; a row that does not begin or end in time is given up, and says so there.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

from benchmarks.depends import HALVING
from benchmarks.load import light, sweep, tables
from benchmarks.load.depends import JOURNAL, SERVERS, TRIALS, WORKERS
from benchmarks.load.probe import Part, Times
from benchmarks.load.servers import KINDS
from benchmarks.record import write_result
from commons.cli import UsageError, choose, run_command
from commons.terminal import one_line
from testbed.machine import commit, load, now, processor
from testbed.packages import Unavailable

_DEPENDS = (
    "benchmarks.load.app",
    "benchmarks/load/app",
    "benchmarks.load.gate",
    "benchmarks.load.light",
    "benchmarks.load.probe",
    "benchmarks.load.scale",
    "benchmarks.load.sweep",
    *HALVING,
    *JOURNAL,
    *SERVERS,
    *TRIALS,
    *WORKERS,
)

LAUNCHERS = ("local", "slurm", "light")


@dataclass
class Settings:
    """What the command line may set.

    Args:
        kinds: of storage.
        workers: numbers of workers.
        delay_ms: of each call that a distant file system has to answer; only for light workers.
        launcher: local, slurm or light.
        epoch_s: mean length of an epoch; trials differ by up to 25 %.
        epochs: of a trial that is not pruned.
        trials_per_worker: of a sweep with Hydra.
        window_s: of light workers; 0: five epochs, at least 20 s.
        out: the JSON file.
        keep: keep the folder of a sweep and print its path.
    """

    kinds: list[str] = field(default_factory=lambda: ["journal"])
    workers: list[int] = field(default_factory=lambda: [96])
    delay_ms: list[float] = field(default_factory=lambda: [0.0])
    launcher: str = "local"
    epoch_s: float = 2.0
    epochs: int = 27
    trials_per_worker: int = 3
    window_s: float = 0.0
    out: Path = Path(__file__).parents[1] / "results" / "scale.json"
    keep: bool = False


@dataclass(frozen=True)
class Each:
    """What one trial or one report costs, in ms.

    Attributes:
        n: how many there were.
        wall: all of it.
        cpu: on a core.
        waiting: for a core.
        blocked: waiting for a lock, a disk or a server.
    """

    n: int
    wall: float
    cpu: float
    waiting: float
    blocked: float

    @classmethod
    def of(cls, part: Part) -> Each:
        """Return the mean of a kind of time."""
        sums = part.wall_s, part.cpu_s, part.waiting_s, part.blocked_s
        return cls(round(part.n), *[round(1e3 * each / max(part.n, 1), 2) for each in sums])


@dataclass(frozen=True)
class Shares:
    """The time outside of training, as a share of all time; the length of start-ups is left out.

    Attributes:
        outside: as it is.
        own_core: without what workers wait for a core.
        cpu: only what they use of a core.
    """

    outside: float
    own_core: float
    cpu: float

    @classmethod
    def of(cls, times: Times, total_s: float | None = None) -> Shares:
        """Return the shares of what a probe has counted.

        Args:
            times: of all workers; a wait that is not over does not count.
            total_s: time of all workers, in which such a wait counts; None: the sum of `times`.
        """
        training_s = times.parts["training"].wall_s
        lost = Part()
        for kind in ("between", "reporting"):
            lost.add(times.parts[kind])
        own_core_s = min(lost.wall_s, lost.cpu_s + lost.blocked_s)
        seconds = lost.wall_s, own_core_s, lost.cpu_s
        outside, own_core, cpu = (each / max(each + training_s, 1e-9) for each in seconds)
        return cls(outside if total_s is None else 1 - training_s / total_s, own_core, cpu)


KEY = ("launcher", "kind", "workers", "epoch_s", "delay_ms")
HEAD = (
    "launcher kind             workers epoch/s delay/ms   outside own core   CPU | "
    "trial: wall = CPU + waiting + blocked/ms | report: the same | load"
)


def row(result: dict[str, Any]) -> str:
    """Return a result as a line of the table."""

    def each(kind: str) -> str:
        wall, *rest = (result[kind][name] for name in ("wall", "cpu", "waiting", "blocked"))
        return f"{wall:.1f} = {' + '.join(f'{one:.1f}' for one in rest)}"

    settings = (
        f"{result['launcher']:8} {result['kind']:16} {result['workers']:7} {result['epoch_s']:7g} "
        f"{result['delay_ms']:8g}   "
    )
    if "given_up" in result:
        return f"{settings}given up: {result['given_up']}"
    shares = result["shares"]
    return (
        f"{settings}{shares['outside']:7.2%} {shares['own_core']:7.2%} "
        f"{shares['cpu']:6.2%} | {each('trial')} | {each('report')} | {result['load_after']:.1f}"
    )


def merged(before: list[dict[str, Any]], new: dict[str, Any]) -> list[dict[str, Any]]:
    """Return rows with a new one, which replaces an older one of the same settings."""
    kept = [one for one in before if any(one.get(key) != new[key] for key in KEY)]
    return sorted([*kept, new], key=lambda one: [str(one[KEY[0]]), str(one[KEY[1]]), *_size(one)])


def _size(one: dict[str, Any]) -> list[float]:
    return [one[key] for key in KEY[2:]]


def measure(settings: Settings, kind: str, n_workers: int, delay_ms: float) -> dict[str, Any]:
    """Return a row: its figures, or why it was given up."""
    folder, begin = Path(tempfile.mkdtemp(prefix="scale-")), time.monotonic()
    about: dict[str, Any] = {
        "launcher": settings.launcher,
        "kind": kind,
        "workers": n_workers,
        "epoch_s": settings.epoch_s,
        "delay_ms": delay_ms,
        "load_before": load(),
        "processor": processor(),
        "commit": commit(),
        "date": now(),
    }
    try:
        figures = _figures(settings, kind, n_workers, delay_ms, folder)
        if not settings.keep:
            shutil.rmtree(folder)
    except (RuntimeError, ValueError, Unavailable, OSError, SubprocessError) as error:
        (folder / "error").write_text(str(error))
        figures = {"given_up": one_line(str(error))[:300]}
    if folder.exists():
        print(f"the sweep is in {folder}")
    lasted_s = round(time.monotonic() - begin, 1)
    return {**about, **figures, "row_s": lasted_s, "load_after": load()}


def _figures(
    settings: Settings, kind: str, n_workers: int, delay_ms: float, folder: Path
) -> dict[str, Any]:
    size = sweep.Size(n_workers, settings.epochs, settings.epoch_s)
    if settings.launcher == "light":
        window_s = settings.window_s or max(20.0, 5 * settings.epoch_s)
        run = light.run(kind, folder, size, window_s, delay_ms / 1e3)
        shares = Shares.of(run.times, n_workers * window_s)
    else:
        run = sweep.run(kind, folder, size, settings.trials_per_worker, settings.launcher)
        shares = Shares.of(run.times)
    return {
        "shares": asdict(shares),
        "trial": asdict(Each.of(run.times.parts["between"])),
        "report": asdict(Each.of(run.times.parts["reporting"])),
        "lock": asdict(Each.of(run.times.parts["locked"])),
        "training_s": round(run.times.parts["training"].wall_s, 1),
        **run.more,
    }


def main(arguments: list[str]) -> int:
    """Measure, print and write the JSON file; see the module's text."""
    return run_command(_measure, Settings, arguments, __doc__)


def _measure(settings: Settings) -> int:
    choose("launcher", settings.launcher, LAUNCHERS)
    for kind in settings.kinds:
        choose("kinds", kind, KINDS)
    if any(settings.delay_ms) and (settings.launcher != "light" or settings.kinds != ["journal"]):
        raise UsageError("delay_ms is for launcher=light and kinds=[journal]")
    print(HEAD, flush=True)
    for kind, n_workers, delay_ms in product(settings.kinds, settings.workers, settings.delay_ms):
        print(
            f"... {settings.launcher}, {kind}, {n_workers} workers, + {delay_ms:g} ms", flush=True
        )
        result = measure(settings, kind, n_workers, delay_ms)
        print(row(result), flush=True)
        known = json.loads(settings.out.read_text())["rows"] if settings.out.exists() else []
        figures = {"rows": merged(known, result)}
        command = "make bench-scale"
        write_result(settings.out, figures, command=command, depends=_DEPENDS, extends=True)
    print(f"written to {settings.out}\n\n{tables.scale(json.loads(settings.out.read_text()))}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
