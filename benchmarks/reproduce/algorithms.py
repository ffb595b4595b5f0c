"""Search algorithms side by side: best value against epochs and time (`make repro-algorithms`).

    python -m benchmarks.reproduce.algorithms [scale=tiny|small|full] [sweeps=DIR]

Live: `python -m mlpf.train -m hpo=SEARCH` on events of our own, one worker, so that a sweep can be
repeated. The first search, `best`, has a number of trials; each other one has as many epochs as
the first one took with the same seed, and as many trials as it takes. `pbt` changes
hyperparameters while networks are trained, so it has a search space of its own.

Replayed: the same kinds of search on all tables of recorded learning curves, from
benchmarks/results/policies.json (`make repro-policies`).

`sweeps` is the folder of the live sweeps, SEARCH-TRIALS-EPOCHS-SEED each. Those that have ended
are not run again.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes

from benchmarks.depends import HALVING
from benchmarks.reproduce.depends import EVENTS, PAUSES, PROPOSALS, TRAINING
from benchmarks.reproduce.scales import ClusterCommand, Target, print_commands, run
from benchmarks.reproduce.traces import Floats, Trace, mean_on, read_trace
from commons.cli import run_command
from commons.picture_labels import label_ends
from commons.picture_style import BLUE, GRAY, GREEN, INK, ORANGE, RED, Picture

SEARCHES: Final = ("best", "random", "hyperband", "bohb", "asha", "asha_bo", "freeze_thaw", "pbt")
DEPENDS: Final = (
    "benchmarks.reproduce.algorithms",
    "benchmarks.reproduce.traces",
    "conf/experiment/demo_short.yaml",
    *(f"conf/hpo/{search}.yaml" for search in SEARCHES),
    "conf/hpo/pruner",
    "conf/model/gnn_lsh_small.yaml",
    "conf/search_space/pbt.yaml",
    "conf/search_space/stage1.yaml",
    "hpo.search.freeze_thaw",
    "hpo.search.pbt",
    "qsvr.forecasting",
    *EVENTS,
    *HALVING,
    *PAUSES,
    *PROPOSALS,
    *TRAINING,
)
POLICIES: Final = Path("benchmarks/results/policies.json")
# The method of the tables that is the live search.
REPLAYED: Final = {
    "best": "ladder",
    "random": "random",
    "hyperband": "optuna_hyperband",
    "asha": "asha",
    "freeze_thaw": "freeze_thaw_last",
}
SAMPLED: Final = {"best": "best", "bohb": "tpe_hyperband", "asha": "random_asha"} | {
    "asha_bo": "asha_bo"
}
_COLORS: Final = {
    "best": ORANGE,
    "random": GRAY,
    "hyperband": "#56b4e9",
    "bohb": "#cc79a7",
    "asha": GREEN,
    "asha_bo": BLUE,
    "freeze_thaw": "#e69f00",
    "pbt": RED,
}
_MANY: Final = 1000  # trials: the epochs end the sweep before
_N_POINTS: Final = 200
_TOP: Final = 1.35  # of the axis of losses, relative to the best
_FULL_EPOCHS: Final = 4000  # of a sweep: about 24 hours of 24 nodes of four GPUs
_GPU_S_PER_EPOCH: Final = 50_000 * 0.05


@dataclass(frozen=True)
class Scale:
    """The size of the target: of the first search the trials, of a trial the epochs."""

    searches: tuple[str, ...]
    seeds: tuple[int, ...]
    n_trials: int
    epochs: int
    experiment: str


SIZES: Final = {
    "tiny": Scale(("best", "random"), (1,), 3, 3, "smoke"),
    "small": Scale(SEARCHES, (1, 2, 3), 30, 12, "demo_short"),
}


@dataclass
class Settings:
    """What the command line may set."""

    scale: str = "small"
    sweeps: Path | None = None


def main(arguments: list[str]) -> int:
    """Run the sweeps; see the module's text."""
    return run_command(_compare, Settings, arguments, __doc__)


def _compare(settings: Settings) -> None:
    scale = SIZES.get(settings.scale)
    n_steps = len(scale.searches) * len(scale.seeds) if scale else 0
    target = Target("algorithms", settings.scale, n_steps)
    if scale is None:
        print_commands("algorithms", cluster_commands(), "0.05 s per event and GPU, not measured")
        return
    sweeps = settings.sweeps or target.folder
    rows, traces = [], dict[str, list[Trace]]()
    for seed in scale.seeds:
        budget = None
        for search in scale.searches:
            folder = _sweep(target, scale, search, seed, budget, sweeps)
            rows.append(row(search, seed, json.loads((folder / "summary.json").read_text())))
            traces.setdefault(search, []).append(read_trace(folder))
            budget = budget or rows[-1]["epochs"]
    curves = {search: curve(here) for search, here in traces.items()}
    draw(target.results.with_suffix(".png"), curves, len(scale.seeds))
    print_rows(rows)
    result = {"rows": rows, "curves": curves}
    on_tables = replayed(target.root / POLICIES)
    print_replayed(on_tables)
    target.write({**result, "replayed": on_tables}, depends=DEPENDS, seeds=scale.seeds)


def _sweep(
    target: Target, scale: Scale, search: str, seed: int, budget: int | None, sweeps: Path
) -> Path:
    folder = sweeps / f"{search}-{scale.n_trials}-{scale.epochs}-{seed}"
    arguments = sweep_arguments(scale, search, seed, budget, folder)
    target.step(f"hpo={search}, seed {seed}", lambda: run("mlpf.train", *arguments), arguments)
    return folder


def sweep_arguments(
    scale: Scale, search: str, seed: int, budget: int | None, folder: Path
) -> list[str]:
    """Return the arguments of `python -m mlpf.train` for one sweep.

    Args:
        scale: of all sweeps.
        search: an option of `hpo`.
        seed: of the sampler and of the trainings.
        budget: epochs of all trials together; None: the trials of the scale end the sweep.
        folder: of the sweep.
    """
    # Freeze-thaw begins all of its trials before it goes on with one.
    n_trials = scale.n_trials if budget is None or search == "freeze_thaw" else _MANY
    limit = [] if budget is None else [f"hpo.budget.epochs={budget}"]
    return [
        *("-m", f"experiment={scale.experiment}", f"hpo={search}", "launcher=local"),
        *("hpo.n_workers=1", f"hpo.n_trials={n_trials}", *limit),
        *(f"trainer.max_epochs={scale.epochs}", f"seed={seed}", f"hydra.sweep.dir={folder}"),
    ]


def row(search: str, seed: int, summary: dict[str, Any]) -> dict[str, Any]:
    """Return what is compared of a sweep's `summary.json`."""
    trials, best = summary["n_trials"], summary["best"]
    return {
        "search": search,
        "seed": seed,
        "epochs": summary["epochs"]["run"],
        "best_val_loss": None if best is None else best["value"],
        "complete": trials["complete"],
        "pruned": trials["pruned"],
        "seconds": 3600 * summary["worker_hours"]["used"],
        "core_h": summary["cost"]["core_h"],
    }


def curve(traces: Sequence[Trace]) -> dict[str, Any]:
    """Return the mean best value so far of sweeps of one search, against epochs and seconds."""
    best = [trace.best for trace in traces]
    epochs = [np.arange(1.0, len(trace.best) + 1) for trace in traces]
    seconds = [trace.seconds for trace in traces]
    shown = {"epochs": _grid(epochs), "seconds": _grid(seconds)}
    return {
        name: {"at": shown[name].tolist(), "best": mean_on(shown[name], at, best)}
        for name, at in (("epochs", epochs), ("seconds", seconds))
    }


def _grid(at: Sequence[Floats]) -> Floats:
    """Return points up to the end of the shortest sweep, so that each mean is of all sweeps."""
    end = min(float(each[-1]) for each in at)
    points: Floats = np.linspace(0, end, _N_POINTS + 1)[1:]
    return points


def replayed(path: Path) -> dict[str, Any] | None:
    """Return the figures of these searches on all tables; None: `path` is not there.

    Returns:
        `pools`: every search trains the same draws of trainings, one worker: the share of
        Hyperband's epochs and P, the share of draws that end as well. `samplers`: a sampler
        proposes, eight workers: see docs/results/policies.md.
    """
    if not path.is_file():
        return None
    content = json.loads(path.read_text())
    pools = {f["method"]: f for f in content["overall"] if f["workers"] == 1}
    keys = ("share", "share_reload", "p", "worst_p", "gap", "tables")
    sampled = [f for f in content["samplers"] if f["method"] in SAMPLED.values()]
    return {
        "pools": {
            search: {key: pools[method][key] for key in keys}
            for search, method in REPLAYED.items()
            if method in pools
        },
        "samplers": sampled,
    }


def cluster_commands() -> list[ClusterCommand]:
    """Return the sweeps of SCALE=full: the published problem, the same epochs for each search."""
    overrides = ("experiment=full", "hpo.n_trials=400", f"hpo.budget.epochs={_FULL_EPOCHS}")
    gpu_h = _FULL_EPOCHS * _GPU_S_PER_EPOCH / 3600
    return [
        ClusterCommand(
            f"hpo={search} on 24 nodes", (*overrides, f"hpo={search}", "hpo.n_workers=96"), gpu_h
        )
        for search in SEARCHES
    ]


def draw(path: Path, curves: Mapping[str, dict[str, Any]], n_seeds: int) -> None:
    """Draw the best validation loss so far against epochs and against time."""
    seeds = f"mean of {n_seeds} seeds" if n_seeds > 1 else "one seed"
    title = f"Best validation loss so far, one worker, {seeds}"
    picture = Picture(title, 1, 2, width=10.8, label_room=0.95)
    for panel, name, unit in zip(picture.panels, ("epochs", "seconds"), (1.0, 60.0), strict=True):
        _lines(panel, {search: c[name] for search, c in curves.items()}, unit)
    picture.panels[0].set(xlabel="epochs of all trials", ylabel="best validation loss so far")
    picture.panels[1].set(xlabel="time of the worker [min]")
    picture.save(path)


def _lines(panel: Axes, curves: Mapping[str, dict[str, Any]], unit: float) -> None:
    ends = [(here["at"][-1] / unit, here["best"][-1]) for here in curves.values()]
    for search, here in curves.items():
        best = np.array(here["best"], dtype=float)  # None: before the first value
        x, color = np.array(here["at"]) / unit, _COLORS.get(search, INK)
        panel.plot(x, best, color=color, lw=1.6, label=search)
    low = min((y for _, y in ends if y is not None), default=1.0)
    panel.set_ylim(0.92 * low, _TOP * low)  # how a search begins is left out
    panel.set_xlim(0, max(x for x, _ in ends))
    label_ends(panel)


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Print a line per sweep, and one per search."""
    head = f"{'epochs':>8}{'best val_loss':>15}{'complete':>10}{'pruned':>8}{'s':>7}"
    print(f"\n{'hpo=':<12}{'seed':>5}{head}")
    for each in rows:
        counts = f"{each['complete']:>10}{each['pruned']:>8}{each['seconds']:>7.0f}"
        loss = _loss(each["best_val_loss"])
        print(f"{each['search']:<12}{each['seed']:>5}{each['epochs']:>8}{loss}{counts}")
    print(f"\n{'hpo=':<12}{'mean of the best':>20}{'range':>30}")
    for search in dict.fromkeys(each["search"] for each in rows):
        found = [each["best_val_loss"] for each in rows if each["search"] == search]
        known = [loss for loss in found if loss is not None]
        if len(known) < len(found):
            print(f"{search:<12}{'-':>20}{len(found) - len(known):>17} without any")
            continue
        low, high = min(known), max(known)
        print(f"{search:<12}{statistics.fmean(known):>20.4f}{f'{low:.4f} to {high:.4f}':>30}")


def _loss(value: float | None) -> str:
    return f"{'-' if value is None else f'{value:.4f}':>15}"


def print_replayed(result: dict[str, Any] | None) -> None:
    """Print a line per search on the tables."""
    if result is None:
        print(f"\nno {POLICIES} (make repro-policies): nothing replayed")
        return
    print(f"\n{'replayed':<12}{'tables':>8}{'share of Hyperband':>20}{'P':>7}{'worst P':>9}")
    for search, f in result["pools"].items():
        figures = f"{f['tables']:>8}{f['share']:>20.2f}{f['p']:>7.2f}{f['worst_p']:>9.2f}"
        print(f"{search:<12}{figures}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
