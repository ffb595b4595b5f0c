"""Population based training, growing trials and several objectives, live (`make repro-features`).

    python -m benchmarks.reproduce.features [features=[pbt,growing,objectives]] [out=DIR]
                                            [results=DIR]

Runs a small sweep of `python -m mlpf.train` for each on events that it generates on the first
call: populations and objectives with two workers of this machine, growing trials on a SLURM
cluster of this machine, with gloo between the ranks. Prints the time of each and what shows that
the feature did something; benchmarks/results/features.json has it too.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from benchmarks.record import write_result
from commons.cli import Failure, UsageError, choose, run_command
from hpo.attributes import PARENT
from hpo.storage.opening import open_storage
from testbed.machine import commit, load, now, processor
from testbed.slurm import SlurmCluster

_DEPENDS = (
    "benchmarks.reproduce.features",
    "conf/hpo/pbt.yaml",
    "conf/hpo/pruner/pbt.yaml",
    "conf/search_space/pbt.yaml",
    "hpo.growth",
    "hpo.search.explore",
    "hpo.search.growth",
    "hpo.search.lineage",
    "hpo.search.objectives",
    "hpo.search.pbt",
    "hpo.sweep.growing",
)

_COMMON = ("experiment=smoke", "logger=none")
_SLURM = ("launcher=slurm", "launcher.poll_s=0.5", "launcher.cpus_per_task=1")
_ROOT = Path(__file__).parents[2]


def _trials(study_name: str, folder: Path) -> list[FrozenTrial]:
    return optuna.load_study(study_name=study_name, storage=open_storage(None, folder)).trials


def _begun_from_others(folder: Path) -> str:
    n_children = sum(PARENT in trial.system_attrs for trial in _trials("pbt", folder))
    return f"{n_children} trials began with the checkpoint of another"


def _grown(folder: Path) -> str:
    n_grown = sum((trial.last_step or 0) > 1 for trial in _trials("asha_promotion", folder))
    outputs = "".join(file.read_text() for file in folder.glob("workers/*/*_log.out"))
    if "2 ranks" not in outputs:
        raise Failure("growing: no trial ran on two ranks")
    return f"{n_grown} trials went on with 2 ranks instead of 1"


def _front(folder: Path) -> str:
    with (folder / "front.csv").open() as file:
        return f"{len([*csv.DictReader(file)])} trials on the Pareto front"


@dataclass(frozen=True)
class Feature:
    """A sweep that shows a feature.

    Attributes:
        overrides: of its command.
        shown: reads the sweep folder; tells what shows that the feature did something.
        on_slurm: whether it runs on a SLURM cluster.
    """

    overrides: tuple[str, ...]
    shown: Callable[[Path], str]
    on_slurm: bool = False


FEATURES = {
    "pbt": Feature(
        (
            *("hpo=pbt", "launcher=local", "optimizer=adamw", "trainer.max_epochs=8"),
            *("hpo.n_trials=12", "hpo.n_workers=2"),
            *("hpo.pruner.population=4", "hpo.pruner.interval=2"),
        ),
        _begun_from_others,
    ),
    "growing": Feature(
        (
            *("hpo=asha_promotion", *_SLURM, "hpo.gpus_per_trial={0: 1, 1: 2}"),
            *("hpo.pruner.min_resource=1", "hpo.n_trials=6", "hpo.n_workers=2"),
            *("launcher.gpus_per_node=1", "launcher.setup=['export MASTER_ADDR=127.0.0.1']"),
            "trainer.max_epochs=3",
        ),
        _grown,
        on_slurm=True,
    ),
    "objectives": Feature(
        (
            *("hpo=asha_bo", "launcher=local", "objective.name=[val_loss,inference_time_ms]"),
            *('hpo.goals.constraints={peak_memory_gb: "<= 4"}', "hpo.n_workers=2"),
            *("hpo.n_trials=10", "trainer.max_epochs=3"),
            "model.output_dim=choice(16,32,64,128)",
        ),
        _front,
    ),
}


@dataclass
class Settings:
    """What the command line may set.

    Args:
        features: which of them.
        out: folder of the sweeps, which begin anew.
        results: folder of features.json.
    """

    features: list[str] = field(default_factory=lambda: [*FEATURES])
    out: Path = Path("outputs/features")
    results: Path = Path("benchmarks/results")


def main(arguments: list[str]) -> int:
    """Run the sweeps; see the module's text."""
    return run_command(_show, Settings, arguments, __doc__ or "")


def _show(settings: Settings) -> None:
    if not settings.features:
        raise UsageError("features: name at least one")
    for name in settings.features:
        choose("features", name, FEATURES)
    before = load()
    _train(["experiment=smoke", "trainer.max_epochs=1", "logger=none"], os.environ)  # events
    rows = {name: _row(FEATURES[name], settings.out / name) for name in settings.features}
    for name, row in rows.items():
        print(f"{name:12}{row['seconds']:6.1f} s  {row['shown']}")
    about = {"date": now(), "commit": commit(), "processor": processor(), "load": before}
    file, figures = settings.results / "features.json", {**about, "features": rows}
    write_result(file, figures, command="make repro-features", depends=_DEPENDS, seeds=[1])


def _row(feature: Feature, folder: Path) -> dict[str, Any]:
    shutil.rmtree(folder, ignore_errors=True)
    arguments = ["-m", *_COMMON, *feature.overrides, f"hydra.sweep.dir={folder}"]
    if feature.on_slurm:
        with tempfile.TemporaryDirectory() as place, SlurmCluster(Path(place)) as cluster:
            seconds = _train(arguments, cluster.environment)
    else:
        seconds = _train(arguments, os.environ)
    trials = json.loads((folder / "summary.json").read_text())["n_trials"]
    shown = feature.shown(folder)
    return {"command": arguments, "seconds": round(seconds, 1), "trials": trials, "shown": shown}


def _train(arguments: list[str], environment: Mapping[str, str]) -> float:
    """Run a command of MLPF; return its seconds."""
    command = ["-m", "mlpf.train", *arguments]
    print(f"\n$ python {' '.join(command)}", flush=True)
    begin = time.monotonic()
    own = {**environment, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"}
    if subprocess.run([sys.executable, *command], env=own, check=False).returncode != 0:
        raise Failure("the command failed")
    return time.monotonic() - begin


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
