"""A sweep on a SLURM cluster of this machine: how long its workers take, and what they load."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.reproduce.scaling.app.app import LOADED
from benchmarks.reproduce.scaling.problem import ETA, PER_NODE, RUNG, Study
from commons.cli import Failure
from hpo.attributes import WORKER, all_stored
from hpo.storage.opening import open_storage
from testbed.processes import run_to_end
from testbed.slurm import SlurmCluster

ROOT = Path(__file__).parents[3]
_APP = ROOT / "benchmarks" / "reproduce" / "scaling" / "app" / "app.py"
_GATE = "benchmarks.reproduce.scaling.gate"
POLICIES = {"asha": f"{_GATE}.GatedAsha", "promotion": f"{_GATE}.GatedPromotion"}
_LIMIT_S = 1800.0


@dataclass(frozen=True)
class Measured:
    """One sweep.

    Attributes:
        wall_s: from when the workers are ready until the last one has worked.
        n_epochs: of all trials.
        n_loaded: how often the model of a paused trial was loaded.
        busy: share of the time of all workers inside the application.
    """

    policy: str
    nodes: int
    wall_s: float
    n_epochs: int
    n_loaded: int
    busy: float

    def as_dict(self) -> dict[str, Any]:
        """Return all values, for JSON."""
        return asdict(self)


def measure(policy: str, nodes: int, study: Study, seed: int, folder: Path) -> Measured:
    """Run a sweep on so many nodes.

    Args:
        policy: of `POLICIES`.
        nodes: each has four workers.
        study: the work.
        seed: of the configurations.
        folder: for the cluster and the sweep; empty or not there.

    Raises:
        Failure: the sweep failed.
        RuntimeError: the cluster does not come up.
        testbed.packages.Unavailable: there is no SLURM.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with SlurmCluster(folder / "slurm", nodes, gpus=PER_NODE) as cluster:
        command = [sys.executable, str(_APP), *sweep_arguments(policy, nodes, study, seed)]
        _run(command, folder, cluster.environment)
    return _result(policy, nodes, folder / "sweep")


def sweep_arguments(policy: str, nodes: int, study: Study, seed: int) -> list[str]:
    """Return the arguments of the application for one sweep."""
    n_workers = PER_NODE * nodes
    pruner = {"gate": "${hydra.sweep.dir}/gate", "n_workers": n_workers}
    pruner |= {"min_resource": RUNG, "reduction_factor": ETA}
    if policy == "promotion":
        pruner["max_resource"] = study.epochs
    return [
        *("-m", f"epochs={study.epochs}", f"epoch_s={study.epoch_s}", f"load_s={study.load_s}"),
        *("hydra.launcher.whole_nodes=true", "hydra.launcher.gpu_option=gres"),
        *(f"hydra.launcher.gpus_per_node={PER_NODE}", "hydra.launcher.poll_s=1"),
        *(f"hydra.sweeper.n_workers={n_workers}", f"hydra.sweeper.n_trials={study.n_trials}"),
        f"hydra.sweeper.sampler.seed={seed}",
        f"hydra.sweeper.pruner._target_={POLICIES[policy]}",
        *(f"+hydra.sweeper.pruner.{key}={value}" for key, value in pruner.items()),
    ]


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    output = folder / "output"
    complete = {**environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    try:
        code = run_to_end(command, folder, complete, _LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise Failure(f"{folder}: not over after {_LIMIT_S:.0f} s") from error
    if code:
        lines = [line for line in output.read_text(errors="replace").splitlines() if line.strip()]
        raise Failure(f"{output}: the sweep failed: {lines[-1] if lines else 'no output'}")


def _result(policy: str, nodes: int, folder: Path) -> Measured:
    storage = open_storage(None, folder)
    study_id = storage.get_study_id_from_name("scaling")
    workers = all_stored(storage.get_study_user_attrs(study_id), WORKER).values()
    trials = storage.get_all_trials(study_id, deepcopy=False)
    wall_s = max(w["worked_until"] for w in workers) - min(w["start"] for w in workers)
    return Measured(
        policy,
        nodes,
        wall_s,
        sum(len(trial.intermediate_values) for trial in trials),
        sum(trial.user_attrs.get(LOADED, 0) for trial in trials),
        sum(w["busy_s"] for w in workers) / (PER_NODE * nodes * wall_s),
    )
