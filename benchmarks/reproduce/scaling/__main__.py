"""Speed-up of a search over nodes, measured and simulated (`make repro-scaling`).

    python -m benchmarks.reproduce.scaling [scale=tiny|small|full]

The same search, a fixed number of trials, on 1, 2, 4, ... nodes with four workers each:

- measured: a sweep on a SLURM cluster of this machine. An epoch is a pause of fixed length, so
  that each worker seems to have a core; workers, leases, reports and decisions are the real ones.
  Trials pause at rungs and are promoted; to load the model of a paused trial takes `load_epochs`.
- simulated: the same search in virtual time, and a larger one on up to 1,024 nodes; beside
  promotion also ASHA that stops trials, which never loads a model.
- synchronous: a model of a search that waits for each rung, with cheap and expensive loading.

The published speed-up is superlinear, which its authors explain with the loading of paused models
when there are few nodes. A search that waits for each rung shows that: with few nodes every rung
has more trials than workers, so that each one that goes on is loaded; with a worker for each trial
none is. The effect is small unless loading takes longer than the epochs of a rung. Here a free
worker takes what is best to do next: it begins a new trial, or loads the one that is promoted. So
the number of loaded models hardly depends on the number of nodes, it is small from the beginning,
and the speed-up is at most linear. It ends where a worker has few trials left: the last trial
takes its epochs, however many workers there are.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from benchmarks.depends import HALVING
from benchmarks.reproduce.depends import PAUSES, SIMULATED
from benchmarks.reproduce.scales import ClusterCommand, Target, print_commands
from benchmarks.reproduce.scaling.measured import measure
from benchmarks.reproduce.scaling.picture import draw
from benchmarks.reproduce.scaling.problem import PER_NODE, Study
from benchmarks.reproduce.scaling.simulated import SYNCHRONOUS, Task, simulate, synchronous
from commons.cli import Failure, run_command
from commons.files import write_json
from commons.pools import run_tasks
from testbed.packages import Unavailable

DEPENDS: Final = ("benchmarks.reproduce.scaling", *HALVING, *PAUSES, *SIMULATED)
POLICIES: Final = ("promotion", "asha")
_MEASURED: Final = "promotion"  # it pauses trials
_SEED: Final = 1
_LOADS: Final = (0.5, 5.0, 50.0)  # epochs, of the synchronous model
_FULL_NODES: Final = (1, 2, 4, 8, 16, 24)
_GPU_S_PER_EVENT: Final = 0.05


@dataclass(frozen=True)
class Scale:
    """The size of the target.

    Args:
        study: the search that is measured.
        nodes: on which.
        large: the search that is only simulated.
        large_nodes: on which.
        n_seeds: simulated sweeps of the first search, for each number of nodes.
    """

    study: Study
    nodes: tuple[int, ...]
    large: Study
    large_nodes: tuple[int, ...]
    n_seeds: int


SIZES: Final = {
    "tiny": Scale(Study(16, 9, 0.05, 0.5), (1, 2), Study(200, 9, 60, 0.5), (1, 4, 16), n_seeds=2),
    "small": Scale(
        Study(384, 9, 1.5, 0.5),
        (1, 2, 4, 8, 16, 24),
        Study(16_384, 27, 60, 0.5),
        (1, 4, 16, 64, 256, 1024),
        n_seeds=5,
    ),
}


@dataclass
class Settings:
    """What the command line may set."""

    scale: str = "small"


def main(arguments: list[str]) -> int:
    """Measure and simulate; see the module's text."""
    return run_command(_reproduce, Settings, arguments, __doc__)


def _reproduce(settings: Settings) -> None:
    n_steps = len(SIZES[settings.scale].nodes) + 1 if settings.scale in SIZES else 0
    target = Target("scaling", settings.scale, n_steps)
    if settings.scale == "full":
        print_commands("scaling", cluster_commands(), "0.05 s per event and GPU, not measured")
        return
    scale = SIZES[settings.scale]
    measured = [_measure(target, scale.study, nodes) for nodes in scale.nodes]
    file = target.folder / "simulated.json"
    what = [json.dumps(asdict(scale))]
    target.step("simulated", lambda: write_json(file, _simulate(scale)), what)
    result = {
        "study": asdict(scale.study),
        "large": asdict(scale.large),
        "measured": with_speed_up(measured),
        **json.loads(file.read_text()),
        "notes": (__doc__ or "").split("\n\n")[-1].splitlines(),
    }
    draw(target.results.with_suffix(".png"), result)
    print_rows(result)
    target.write(result, depends=DEPENDS, seeds=[_SEED, *range(scale.n_seeds)])


def _measure(target: Target, study: Study, nodes: int) -> dict[str, Any]:
    name = f"measured on {nodes} node{'s'[: nodes != 1]}"
    folder = target.folder / f"nodes-{nodes}"
    file = folder.with_suffix(".json")

    def work() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        try:
            write_json(file, measure(_MEASURED, nodes, study, _SEED, folder).as_dict())
        except (RuntimeError, Unavailable) as error:
            raise Failure(f"{name}: {error}") from error

    target.step(name, work, [json.dumps(asdict(study))])
    row: dict[str, Any] = json.loads(file.read_text())
    return row


def _simulate(scale: Scale) -> dict[str, Any]:
    large = [Task(p, n, scale.large, 0) for p in POLICIES for n in scale.large_nodes]
    tasks = [
        Task(policy, nodes, scale.study, seed)
        for policy in POLICIES
        for nodes in scale.nodes
        for seed in range(scale.n_seeds)
    ]
    # The largest first, so that no process works on one alone at the end.
    runs = run_tasks(
        simulate, [*large, *tasks], n_steps=len(large) + len(tasks), description="sweeps"
    )
    rows = [run.as_dict() for run in runs]
    n = scale.n_seeds
    few = [mean_row(rows[i : i + n]) for i in range(len(large), len(rows), n)]
    return {
        "simulated": with_speed_up(few),
        "simulated_large": with_speed_up(rows[: len(large)]),
        SYNCHRONOUS: [row for load in _LOADS for row in _waiting(scale.large, load)],
    }


def _waiting(study: Study, load_epochs: float) -> list[dict[str, Any]]:
    costly = replace(study, load_epochs=load_epochs)
    nodes = [2**i for i in range(11) if PER_NODE * 2**i <= 2 * study.n_trials]
    rows = with_speed_up([synchronous(costly, n).as_dict() for n in nodes])
    return [{**row, "load_epochs": load_epochs} for row in rows]


def mean_row(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the means over sweeps that differ by their seed."""
    means = {key: float(np.mean([row[key] for row in rows])) for key in rows[0] if key != "policy"}
    return {**means, "policy": rows[0]["policy"], "nodes": rows[0]["nodes"], "n": len(rows)}


def with_speed_up(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add to each row how many times as fast it is as the same policy on one node."""
    one = {row["policy"]: row["wall_s"] for row in rows if row["nodes"] == 1}
    return [{**row, "speed_up": one[row["policy"]] / row["wall_s"]} for row in rows]


def cluster_commands() -> list[ClusterCommand]:
    """Return the sweeps of SCALE=full: the measured search with the published network."""
    study = SIZES["small"].study
    n_epochs = 2.6 * study.n_trials  # of the measured search
    overrides = (
        *("experiment=full", "hpo=asha_promotion", "hpo.pruner.min_resource=1"),
        *("hpo.pruner.reduction_factor=3", f"hpo.n_trials={study.n_trials}"),
        *(f"trainer.max_epochs={study.epochs}", "data.max_events.train=4000"),
        *("data.max_events.val=1000",),
    )
    return [
        ClusterCommand(
            f"the search on {nodes} nodes",
            (*overrides, f"hpo.study_name=scaling_{nodes}", f"hpo.n_workers={PER_NODE * nodes}"),
            n_epochs * 5000 * _GPU_S_PER_EVENT / 3600,
        )
        for nodes in _FULL_NODES
    ]


def print_rows(result: dict[str, Any]) -> None:
    """Print a line per row."""
    print(f"\n{'':<16}{'policy':<14}{'nodes':>6}{'s':>10}{'speed-up':>10}{'loaded':>9}")
    for name in ("measured", "simulated", "simulated_large", SYNCHRONOUS):
        for row in result[name]:
            load = f" {row['load_epochs']:g}" if "load_epochs" in row else ""
            figures = f"{row['wall_s']:>10.1f}{row['speed_up']:>10.2f}{row['n_loaded']:>9.0f}"
            print(f"{name:<16}{row['policy'] + load:<14}{row['nodes']:>6.0f}{figures}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
