"""Loss curves of equal trainings before and after the search (`make repro-variability`).

    python -m benchmarks.reproduce.variability [scale=tiny|small|full]

The trainings are those of `repro-hpo` at the same scale, which differ only in their seed: ten
with the default and ten with the found hyperparameters. What is missing of them is run, the search
included; nothing is trained twice. Written are the two bands, mean and standard deviation for
each epoch, as picture and table.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.reproduce import hpo
from benchmarks.reproduce.scales import Target
from benchmarks.reproduce.trainings import Array, curves, draw_bands, statistics
from commons.cli import run_command
from commons.files import replacing

_NAME: Final = "variability"


@dataclass
class Settings:
    """What the command line may set."""

    scale: str = "small"


def main(arguments: list[str]) -> int:
    """Train what is missing and draw; see the module's text."""
    return run_command(_reproduce, Settings, arguments, __doc__)


def _reproduce(settings: Settings) -> None:
    trained = hpo.target_at(settings.scale)
    is_full = settings.scale == "full"
    if is_full and not hpo.is_trained(trained):
        hpo.print_full(trained)
        return
    runs = hpo.runs_of(trained) if is_full else hpo.train(trained)
    target = Target(_NAME, settings.scale, 0)
    target.steps = trained.steps  # what the trainings have cost
    report(target, {name: curves(folders) for name, folders in runs.items()})


def report(target: Target, losses: Mapping[str, Array]) -> None:
    """Write picture, table and figures of the trainings, and print the figures.

    Args:
        target: whose results they are.
        losses: of shape (trainings, epochs) each, by `default` and `found`.
    """
    title = f"repro-variability {target.scale}: trainings that differ in their seed"
    draw_bands(losses, title, target.results.with_suffix(".png"))
    write_table(losses, target.results.with_suffix(".csv"))
    ends = {name: statistics(values.min(axis=1)) for name, values in losses.items()}
    for name, row in ends.items():
        spread = f"standard deviation {100 * row['std'] / row['mean']:.2f} % of the mean"
        print(f"{name}: best val_loss {row['mean']:.4f} ± {row['std']:.4f}, {spread}")
    seeds = hpo.SIZES[target.scale].seeds
    figures: dict[str, Any] = {"best_val_loss": ends}
    figures["val_loss"] = {name: values.tolist() for name, values in losses.items()}
    target.write(figures, depends=hpo.DEPENDS, seeds=seeds)


def write_table(losses: Mapping[str, Array], path: Path) -> None:
    """Write mean and standard deviation (n - 1) of the loss for each epoch as CSV."""
    columns = [f"{name}_{what}" for name in losses for what in ("mean", "std")]
    bands = [
        band for values in losses.values() for band in (values.mean(0), values.std(0, ddof=1))
    ]
    with replacing(path) as partial, partial.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["epoch", *columns])
        for epoch, row in enumerate(zip(*bands, strict=True), 1):
            writer.writerow([epoch, *(f"{value:.6g}" for value in row)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
