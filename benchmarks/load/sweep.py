"""One sweep with Hydra for `benchmarks.load.scale`, by processes of this machine or on SLURM."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.load.probe import Times, read
from benchmarks.load.servers import Served, served
from hpo.attributes import WORKER
from hpo.storage.opening import open_storage
from testbed.processes import run_to_end
from testbed.slurm import SlurmCluster

ROOT = Path(__file__).parents[2]
_APP = ROOT / "benchmarks" / "load" / "app" / "app.py"
_PER_NODE = 4
_SPREAD_S = 5.0  # the workers begin one after another within it
_READY_S = 240.0
_LIMIT_S = 600.0  # of a whole sweep


@dataclass(frozen=True)
class Size:
    """How much work there is.

    Attributes:
        n_workers: at once.
        epochs: of a trial that is not pruned.
        epoch_s: mean length of an epoch.
    """

    n_workers: int
    epochs: int
    epoch_s: float


@dataclass
class Run:
    """What was measured.

    Attributes:
        times: of all workers together.
        more: further figures by name.
    """

    times: Times
    more: dict[str, Any] = field(default_factory=dict)


def run(kind: str, folder: Path, size: Size, trials_per_worker: int, launcher: str) -> Run:
    """Run a sweep to its end.

    Raises:
        RuntimeError: the sweep failed, or the cluster or the server does not come up.
    """
    gate = folder / "gate"
    pruner = {
        "_target_": "benchmarks.load.gate.GatedASHA",
        "+folder": gate,
        "+n_workers": size.n_workers,
        "+spread_s": _SPREAD_S,
        "+limit_s": _READY_S,
        "+starter": os.getpid(),
    }
    with (
        served(kind, folder / "storage") as server,
        _launcher(launcher, folder, size.n_workers) as (environment, options),
    ):
        command = [
            *(sys.executable, str(_APP), "-m", *options),
            f"hydra.sweeper.n_workers={size.n_workers}",
            f"hydra.sweeper.n_trials={size.n_workers * trials_per_worker}",
            f"hydra.sweeper.storage={server.spec}",
            *(f"epochs={size.epochs}", f"epoch_s={size.epoch_s}"),
        ]
        for key, value in pruner.items():
            plus = "+" if key.startswith("+") else ""
            command.append(f"{plus}hydra.sweeper.pruner.{key.lstrip('+')}={value}")
        begin = time.time()
        waited_s = _wait(command, folder, environment, server)
        return _result(server.spec, folder, begin, waited_s)


def _wait(command: list[str], folder: Path, environment: dict[str, str], server: Served) -> float:
    """Run the command; return how long the servers have waited for a core meanwhile."""
    complete = {**environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with server.watched() as waits:
        try:
            code = run_to_end(command, folder, complete, _LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"not over after {_LIMIT_S:.0f} s") from error
    if code:
        raise RuntimeError(f"the sweep failed: {_last_line(folder / 'output')}")
    return waits()


def _last_line(output: Path) -> str:
    lines = [line.strip() for line in output.read_text(errors="replace").splitlines()]
    telling = [line for line in lines if "Error" in line]
    return (telling or lines or ["it has printed nothing"])[-1]


def _result(spec: str, folder: Path, begin: float, waited_s: float) -> Run:
    storage = open_storage(spec, folder)
    study_id = storage.get_study_id_from_name("scale")
    attributes = storage.get_study_user_attrs(study_id)
    trials = storage.get_all_trials(study_id, deepcopy=False)
    records = [value for key, value in attributes.items() if key.startswith(WORKER)]
    states = [trial.state.name for trial in trials]
    first, last = min(r["start"] for r in records), max(r["end"] for r in records)
    more = {
        "states": {name: states.count(name) for name in sorted(set(states))},
        "cpu_s": round(sum(record["cpu_s"] for record in records), 1),
        "tail_s": round(sum(r["end"] - r["worked_until"] for r in records), 1),
        "servers_waiting_s": round(waited_s, 1),
        "all_ready_after_s": round(first - begin, 1),
        "wall_s": round(last - first, 1),
    }
    return Run(read((folder / "gate" / "probes").iterdir()), more)


@contextmanager
def _launcher(
    name: str, folder: Path, n_workers: int
) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Yield the environment of a command and its options."""
    if name == "local":
        yield dict(os.environ), ["hydra/launcher=hpo_local"]
        return
    with SlurmCluster(folder / "slurm", -(-n_workers // _PER_NODE), gpus=_PER_NODE) as cluster:
        yield (
            cluster.environment,
            [
                *("hydra/launcher=hpo_slurm", "hydra.launcher.whole_nodes=true"),
                *("hydra.launcher.gpu_option=gres", f"hydra.launcher.gpus_per_node={_PER_NODE}"),
            ],
        )
