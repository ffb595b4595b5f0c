"""300 learning curves of our own, a table as the published one (`make repro-curves`).

    python -m benchmarks.reproduce.own_curves [scale=tiny|small|full] [overrides=[KEY=VALUE,...]]

Trains the default and random configurations of seven hyperparameters, each to its end
(hpo=learning_curves; at scale full without the default, whose model.bin_size of 640 is not in the
search space), and writes files beside each other:

    .csv            the columns of the published table: hyperparameters, loss_0, loss_1, ...
    _physics.csv    number of the trial, epoch_s (median seconds of an epoch), and per epoch
                    tower_accuracy_0, ... (share of towers with the right class) and
                    met_ratio_0, ... (error of missing transverse energy over that of the rules)
    .json, .png     quartiles of the final losses, and how well an early loss ranks them

Trainings that have not reached their last epoch with a finite loss are left out, as in the
published table. The sweep is the folder `sweep` in outputs/repro/curves/SCALE; an interrupted
command goes on with it. `overrides` are further ones of the sweep, for example
[trainer=gpu,launcher.workers_per_gpu=8] where there is a GPU.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.reproduce.depends import EVENTS, TRAINING
from benchmarks.reproduce.scales import ClusterCommand, Target, print_commands
from commons.cli import Failure, run_command
from commons.files import replacing, sha256
from commons.picture_style import BLUE, GRAY, ORANGE, Picture, logarithmic, value_axis
from commons.tables import read_table

Floats = NDArray[np.float64]
# Column of the published table, and the key of the configuration.
COLUMNS: Final = {
    "bin_size": "model.bin_size",
    "dropout": "model.dropout",
    "lr": "optimizer.lr",
    "n_glayers_id": "model.num_graph_layers_id",
    "n_glayers_reg": "model.num_graph_layers_reg",
    "output_dim": "model.output_dim",
    "weight_decay": "optimizer.weight_decay",
}
PHYSICS: Final = {"tower_accuracy": "val_tower_accuracy", "met_ratio": "val_met_ratio"}
PUBLISHED: Final = Path("data/curves/mlpf_delphes.csv")
DEPENDS: Final = (
    "benchmarks.reproduce.own_curves",
    "conf/experiment/curves.yaml",
    "conf/hpo/learning_curves.yaml",
    "conf/model/gnn_lsh_small.yaml",
    "conf/optimizer/adamw.yaml",
    "conf/search_space/curves7.yaml",
    *EVENTS,
    *TRAINING,
)
_SHOWN: Final = (1, 2, 3, 5, 10, 25, 50)  # epochs
_GPU_S_PER_EPOCH: Final = 50_000 * 0.05


@dataclass(frozen=True)
class Scale:
    """The size of the target."""

    n_trainings: int
    epochs: int


SIZES: Final = {"tiny": Scale(3, 3), "small": Scale(300, 100)}


@dataclass
class Settings:
    """What the command line may set."""

    scale: str = "small"
    overrides: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Training:
    """One training that has reached its last epoch.

    Attributes:
        number: of the trial.
        params: value of each of `COLUMNS`.
        series: `loss`, `seconds` and each of `PHYSICS`, a number per epoch.
    """

    number: int
    params: tuple[str, ...]
    series: dict[str, Floats]


def main(arguments: list[str]) -> int:
    """Train, and write the tables; see the module's text."""
    return run_command(_reproduce, Settings, arguments, __doc__)


def _reproduce(settings: Settings) -> None:
    target = Target("curves", settings.scale, 1)
    if settings.scale == "full":
        print_commands("curves", cluster_commands(), "0.05 s per event and GPU, not measured")
        return
    scale, sweep = SIZES[settings.scale], target.folder / "sweep"
    arguments = sweep_arguments(scale, sweep, settings.overrides)
    target.run(f"{scale.n_trainings} trainings", *arguments)
    trainings, n_left_out = read_trainings(sweep, scale.epochs)
    stem = target.results
    write_tables(trainings, stem)
    losses = np.array([each.series["loss"] for each in trainings])
    published = read_losses(PUBLISHED) if PUBLISHED.is_file() else None
    seconds = float(np.median([np.median(each.series["seconds"]) for each in trainings]))
    figures = {
        "sha256": sha256(stem.with_suffix(".csv")),
        "n_left_out": n_left_out,
        "epoch_s": seconds,
        "ours": figures_of(losses),
        "published": None if published is None else figures_of(published),
        "overrides": arguments[1:],
    }
    draw(stem.with_suffix(".png"), losses, published)
    print_figures(figures)
    target.write(figures, depends=DEPENDS, seeds=[1])


def own_table(scale: str) -> Path | None:
    """Return the table of our own curves; None: there is none, or too small a one."""
    path = Target("curves", scale, 0).results.with_suffix(".csv")
    return path if scale == "small" and path.is_file() else None


def sweep_arguments(scale: Scale, folder: Path, overrides: Sequence[str]) -> list[str]:
    """Return the module and the arguments of the sweep."""
    return [
        *("mlpf.train", "-m", "experiment=curves", "hpo=learning_curves", "launcher=local"),
        *(f"hpo.n_trials={scale.n_trainings}", f"trainer.max_epochs={scale.epochs}", "seed=1"),
        *(*overrides, f"hydra.sweep.dir={folder}"),
    ]


def read_trainings(sweep: Path, n_epochs: int) -> tuple[list[Training], int]:
    """Return the trainings of a sweep that have reached their last epoch, and how many have not.

    Raises:
        Failure: none has.
    """
    with (sweep / "trials.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    trainings = []
    for row in rows:
        number = int(row["number"])
        series = read_series(sweep / "trials" / f"{number:04d}" / "metrics.csv")
        is_complete = row["state"] == "complete" and len(series.get("loss", ())) == n_epochs
        if is_complete and np.isfinite(series["loss"]).all():
            params = tuple(row[f"params.{key}"] for key in COLUMNS.values())
            trainings.append(Training(number, params, series))
    if not trainings:
        raise Failure(f"{sweep}: no training has reached epoch {n_epochs}")
    return trainings, len(rows) - len(trainings)


def read_series(path: Path) -> dict[str, Floats]:
    """Return `loss`, `seconds` and each of `PHYSICS` by epoch; nothing without a file."""
    if not path.is_file():
        return {}
    names = {"loss": "val_loss", "seconds": "seconds"} | PHYSICS
    values = read_table(path).numbers([*names.values()])
    return dict(zip(names, values.T, strict=True))


def write_tables(trainings: Sequence[Training], stem: Path) -> None:
    """Write the table of losses, and that of physics figures."""
    n = len(trainings[0].series["loss"])
    header = [*COLUMNS, *(f"loss_{epoch}" for epoch in range(n))]
    rows = [[*each.params, *_cells(each.series["loss"], 6)] for each in trainings]
    _write(stem.with_suffix(".csv"), [header, *rows])
    header = ["number", "epoch_s", *(f"{name}_{epoch}" for name in PHYSICS for epoch in range(n))]
    rows = [
        [
            str(each.number),
            *_cells([np.median(each.series["seconds"])], 3),
            *(cell for name in PHYSICS for cell in _cells(each.series[name], 4)),
        ]
        for each in trainings
    ]
    _write(stem.with_name(f"{stem.name}_physics.csv"), [header, *rows])


def _cells(values: Sequence[float] | Floats, digits: int) -> list[str]:
    return [f"{value:.{digits}g}" for value in values]


def _write(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with replacing(path) as partial, partial.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def read_losses(path: Path) -> Floats:
    """Return the losses of a table, shape (T, E)."""
    table = read_table(path)
    return table.numbers(table.series("loss_"))


def figures_of(losses: Floats) -> dict[str, Any]:
    """Return the quartiles of the final losses, and Spearman's correlation of earlier ones."""
    final = losses[:, -1]
    return {
        "trainings": len(losses),
        "epochs": losses.shape[1],
        "final_quartiles": np.quantile(final, (0, 0.25, 0.5, 0.75, 1)).tolist(),
        "spearman": {
            str(epoch): spearman(losses[:, epoch - 1], final)
            for epoch in _SHOWN
            if epoch < losses.shape[1]
        },
    }


def spearman(a: Floats, b: Floats) -> float:
    """Return the rank correlation of two columns of different numbers.

    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([9.0, 5.0, 1.0]))
    -1.0
    """
    first, second = (np.argsort(np.argsort(each)).astype(np.float64) for each in (a, b))
    return round(float(np.corrcoef(first, second)[0, 1]), 6)


def cluster_commands() -> list[ClusterCommand]:
    """Return the sweep of SCALE=full."""
    scale = SIZES["small"]
    overrides = (
        *("experiment=full", "hpo=learning_curves", "optimizer=adamw"),
        *(f"hpo.n_trials={scale.n_trainings}", f"trainer.max_epochs={scale.epochs}"),
        "hpo.n_workers=96",
    )
    gpu_h = scale.n_trainings * scale.epochs * _GPU_S_PER_EPOCH / 3600
    return [ClusterCommand("300 trainings of 100 epochs on 24 nodes", overrides, gpu_h)]


def draw(path: Path, losses: Floats, published: Floats | None) -> None:
    """Draw the curves, and how well an early loss ranks the final ones."""
    picture = Picture(f"Learning curves of {len(losses)} random configurations", 1, 2)
    picture.figure.set_size_inches(10.2, 4.2)
    picture.figure.subplots_adjust(left=0.075, right=0.98, top=0.87, wspace=0.22)
    curves, ranks = picture.panels
    _draw_curves(curves, losses)
    _draw_ranks(ranks, losses, BLUE, "ours", 12)
    if published is not None:
        _draw_ranks(ranks, published, ORANGE, "published", -12)
    logarithmic(ranks, "x")
    ranks.set(xlabel="epoch", ylabel="rank correlation with the final loss", ylim=(0, 1.02))
    picture.save(path)


def _draw_curves(panel: Any, losses: Floats) -> None:
    epochs = np.arange(1, losses.shape[1] + 1)
    order = np.argsort(losses[:, -1])
    n_best = max(1, len(losses) // 10)
    panel.plot(epochs, losses[order[n_best:]].T, color=GRAY, lw=0.5)
    panel.plot(epochs, losses[order[:n_best]].T, color=ORANGE, lw=0.7)
    value_axis(panel, "validation loss", [*losses.ravel()], [*losses[:, -1]], 1)
    panel.set(xlabel="epoch")
    panel.set_title("orange: the best tenth", fontsize=9)


def _draw_ranks(panel: Any, losses: Floats, color: str, label: str, shift: int) -> None:
    epochs = np.arange(1, losses.shape[1])
    values = [spearman(losses[:, epoch - 1], losses[:, -1]) for epoch in epochs]
    panel.plot(epochs, values, color=color)
    place = len(epochs) // 4
    panel.annotate(
        label,
        (epochs[place], values[place]),
        xytext=(0, shift),
        textcoords="offset points",
        va="center",
        color=color,
    )


def print_figures(figures: dict[str, Any]) -> None:
    """Print the quartiles of the final losses and the rank correlations."""
    print(f"\n{'':<11}{'rows':>5}  final loss: best, quartiles, worst")
    for name in ("ours", "published"):
        if (found := figures[name]) is not None:
            quartiles = " ".join(f"{value:.4g}" for value in found["final_quartiles"])
            print(f"{name:<11}{found['trainings']:>5}  {quartiles}")
            early = ", ".join(f"{e}: {rho:.2f}" for e, rho in found["spearman"].items())
            print(f"{'':<18}rank correlation with the final loss at epoch {early}")
    print(f"{figures['n_left_out']} left out; an epoch took {figures['epoch_s']:.2f} s")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
