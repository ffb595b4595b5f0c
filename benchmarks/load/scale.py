"""The share of time that 96 workers spend on anything but training (`make bench-scale`).

    python -m benchmarks.load.scale [storage=journal] [n_nodes=24] [per_node=4] [n_trials=480] ...

Starts an emulated SLURM cluster on this machine and one sweep on it: a job array of
`n_nodes` elements with `per_node` workers each, TPE and ASHA. The application only waits, in
epochs of about 2 s with a report after each; a training of hours has the same number of reports
and trials, so these shares are far above those of a real sweep. `storage` is `journal`, `grpc`
(Optuna's proxy in front of a journal) or `postgresql`. All workers share the cores of this
machine; on a cluster each has its own.

The workers begin together, when the last one is ready (benchmarks/load/app/gate.py).
Figures go to benchmarks/results/scale_<storage>.json.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.load.servers import load, now, served
from commons.cli import Failure, run_command
from commons.files import write_json
from hpo.attributes import WORKER
from hpo.storage.opening import open_storage
from testbed.packages import Unavailable
from testbed.slurm import SlurmCluster

ROOT = Path(__file__).parents[2]
_APP = ROOT / "benchmarks" / "load" / "app" / "app.py"


@dataclass
class Settings:
    """What the command line may set.

    Args:
        storage: journal, grpc or postgresql.
        n_nodes: elements of the array.
        per_node: workers of each.
        n_trials: of the sweep.
        epochs: of a trial that is not pruned.
        epoch_s: mean length of an epoch; trials differ by up to 25 %.
        spread_s: the workers begin at random times within this interval.
        out: folder of the JSON file.
        keep: keep the folder of the sweep and print its path.
    """

    storage: str = "journal"
    n_nodes: int = 24
    per_node: int = 4
    n_trials: int = 480
    epochs: int = 27
    epoch_s: float = 2.0
    spread_s: float = 5.0
    out: Path = ROOT / "benchmarks" / "results"
    keep: bool = False


@dataclass(frozen=True)
class Shares:
    """Where the time of all workers went, in seconds.

    Attributes:
        start_up: of the processes, until all were ready.
        between: claiming, sampling, composing, telling.
        reporting: storing values and deciding about them.
        training: the rest of the time inside the application.
        tail: from the end of a worker's last trial to the end of the worker.
        waiting: after their end, until the last worker has ended; lost if the allocation is kept.
    """

    start_up: float
    between: float
    reporting: float
    training: float
    tail: float
    waiting: float

    @property
    def outside(self) -> float:
        """The share spent outside the training after start-up, tail included."""
        lost = self.between + self.reporting + self.tail
        return lost / (lost + self.training)


def shares(records: list[dict[str, Any]]) -> Shares:
    """Return where the time went, from the records that the workers left in the study."""

    def total(key: str) -> float:
        return float(sum(record[key] for record in records))

    last = max(record["end"] for record in records)
    return Shares(
        start_up=total("start_up_s"),
        between=total("worked_until") - total("start") - total("busy_s"),
        reporting=total("reporting_s"),
        training=total("busy_s") - total("reporting_s"),
        tail=total("end") - total("worked_until"),
        waiting=last * len(records) - total("end"),
    )


def table(result: dict[str, Any]) -> str:
    """Return a result as text."""
    seconds = result["seconds"]
    present = sum(seconds[key] for key in ("between", "reporting", "training", "tail"))
    lines = [f"{result['storage']}: {result['n_workers']} workers, {result['n_trials']} trials"]
    for key, text in (
        ("training", "training"),
        ("between", "claiming, sampling, composing, telling"),
        ("reporting", "storing reports and pruning"),
        ("tail", "from the last trial to the end"),
    ):
        lines.append(f"  {text:40} {seconds[key]:8.1f} s {seconds[key] / present:7.2%}")
    lines += [
        f"  outside training after start-up          {result['outside']:19.2%}",
        f"  start-up (not counted)                   {seconds['start_up']:8.1f} s",
        (
            f"  if held until the last one ends          {seconds['waiting']:8.1f} s "
            f"{seconds['waiting'] / present:7.2%}"
        ),
        (
            f"  CPU of the workers: {result['cpu_s']:.1f} s, per trial "
            f"{1e3 * result['cpu_s'] / result['n_trials']:.0f} ms; {result['n_reports']} reports"
        ),
        (
            f"  {result['wall_s']:.0f} s from the first trial to the end; load before "
            f"{result['load_before']}, at the end {result['load_after']}"
        ),
    ]
    return "\n".join(lines)


def run(settings: Settings, folder: Path) -> dict[str, Any]:
    """Run the sweep; return its figures.

    Raises:
        RuntimeError: the sweep failed, or the cluster or the server does not come up.
        ValueError: a setting is out of range.
    """
    n_workers, before = settings.n_nodes * settings.per_node, load()
    with (
        served(settings.storage, folder / "storage") as server,
        SlurmCluster(folder / "slurm", settings.n_nodes, gpus=settings.per_node) as cluster,
    ):
        gate = {
            "_target_": "benchmarks.load.gate.GatedASHA",
            "+folder": folder / "gate",
            "+n_workers": n_workers,
            "+spread_s": settings.spread_s,
            "+limit_s": 600,
        }
        command = [
            *(sys.executable, str(_APP), "-m", "hydra/launcher=hpo_slurm"),
            *("hydra.launcher.whole_nodes=true", "hydra.launcher.gpu_option=gres"),
            f"hydra.launcher.gpus_per_node={settings.per_node}",
            f"hydra.sweeper.n_workers={n_workers}",
            f"hydra.sweeper.n_trials={settings.n_trials}",
            f"hydra.sweeper.storage={server.spec}",
            *(f"epochs={settings.epochs}", f"epoch_s={settings.epoch_s}"),
        ]
        for key, value in gate.items():
            plus = "+" if key.startswith("+") else ""
            command.append(f"{plus}hydra.sweeper.pruner.{key.lstrip('+')}={value}")
        begin = time.time()
        with (folder / "output").open("wb") as output:
            done = subprocess.run(
                command,
                cwd=folder,
                env={**cluster.environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise RuntimeError(f"the sweep failed:\n{(folder / 'output').read_text()[-3000:]}")
        study = open_storage(server.spec, folder)
        study_id = study.get_study_id_from_name("scale")
        attributes = study.get_study_user_attrs(study_id)
        trials = study.get_all_trials(study_id, deepcopy=False)
    records = [value for key, value in attributes.items() if key.startswith(WORKER)]
    split = shares(records)
    states = [trial.state.name for trial in trials]
    first, last = min(r["start"] for r in records), max(r["end"] for r in records)
    return {
        "storage": settings.storage,
        "n_workers": len(records),
        "n_trials": len(trials),
        "states": {name: states.count(name) for name in sorted(set(states))},
        "n_reports": sum(record["n_reports"] for record in records),
        "epoch_s": settings.epoch_s,
        "outside": split.outside,
        "seconds": asdict(split),
        "cpu_s": sum(record["cpu_s"] for record in records),
        "all_ready_after_s": first - begin,
        "wall_s": last - first,
        "load_before": before,
        "load_after": load(),
        "date": now(),
    }


def main(arguments: list[str]) -> int:
    """Measure, print and write the JSON file; see the module's text."""
    return run_command(_measure, Settings, arguments, __doc__)


def _measure(settings: Settings) -> int:
    folder = Path(tempfile.mkdtemp(prefix="scale-"))
    try:
        result = run(settings, folder)
    except (RuntimeError, ValueError, Unavailable) as error:
        raise Failure(f"{error} (see {folder})") from error
    path = settings.out / f"scale_{settings.storage}.json"
    write_json(path, result)
    print(table(result))
    print(f"written to {path}")
    if settings.keep:
        print(f"the sweep is in {folder}")
    else:
        subprocess.run(["rm", "-rf", str(folder)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
