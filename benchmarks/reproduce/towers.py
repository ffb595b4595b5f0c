"""Towers of real Delphes events classified by MLPF, rules and boosted trees (`make repro-towers`).

    python -m benchmarks.reproduce.towers delphes=DIR [trainer=cpu] [run=DIR] [out=FILE]

1. converts the published-layout file tev14_pythia8_ttbar_pu20_0.pkl.bz2 of DIR (400 tt-bar events,
   pile-up 20) into five files of 80 events,
2. trains the network in the repository on with the first 240 events (`experiment=finetune`); the
   epoch kept is the one with the smallest loss on the next 80,
3. measures the share of towers of the last 80 events that get their true class, for MLPF, for the
   rule-based candidates of the file, and for gradient-boosted trees on hand-made features trained
   on the same 320 events; writes the figures as JSON.

Labels are those of the published layout. Training resumes where it was interrupted.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.record import write_result
from benchmarks.reproduce.boosted_towers import tower_classes, tower_features, train_trees
from benchmarks.reproduce.depends import DELPHES, TRAINING
from benchmarks.reproduce.physics import CONVERTED, RUNS, STUDIES, train_on
from commons.cli import Failure, UsageError, run_command
from mlpf.config import ConfigError
from mlpf.data.batch import Batch
from mlpf.data.events import Events, concatenate
from mlpf.data.files import read_events
from mlpf.delphes.conversion import convert_files
from mlpf.network.saved import load_network
from mlpf.schema import ElementType, Particle
from mlpf.training.callbacks import METRICS_FILE, read_history

_DEPENDS = (
    "benchmarks.reproduce.boosted_towers",
    "benchmarks.reproduce.physics",
    "benchmarks.reproduce.towers",
    *DELPHES,
    *TRAINING,
)

STEM = "tev14_pythia8_ttbar_pu20_0"


@dataclass
class Settings:
    """What the command line may set."""

    delphes: Path = Path("../shared/data/delphes")
    trainer: str = "cpu"
    run: Path = RUNS / "delphes"  # that of `make repro-physics`
    out: Path = Path("benchmarks/results/towers.json")


def main(arguments: list[str]) -> int:
    """Convert, train, measure; see the module's text."""
    return run_command(_reproduce, Settings, arguments, __doc__)


def _reproduce(settings: Settings) -> int:
    if not (settings.delphes / f"{STEM}.pkl.bz2").is_file():
        raise UsageError(f"delphes={settings.delphes}: no {STEM}.pkl.bz2 there")
    try:
        convert_files(settings.delphes, CONVERTED, events_per_file=80)
        train_on(STUDIES["delphes"], settings.run, settings.trainer)
        result = measure(settings.run)
    except ConfigError as error:
        raise Failure(str(error)) from error
    write_result(settings.out, result, command="make repro-towers", depends=_DEPENDS, seeds=[1])
    _print(result)
    return 0


def measure(run: Path) -> dict[str, Any]:
    """Return the figures of the three methods on the last 80 events, for the network of `run`."""
    train = concatenate([read_events(_part(i)) for i in range(4)])
    test = read_events(_part(4))
    towers = test.x[:, 0] == ElementType.TOWER
    true = tower_classes(test)
    trees = train_trees(train, seed=0)
    given = {
        "mlpf": _network_classes(run, test)[towers],
        "rule_based": test.ycand[towers, 0].astype(np.int64),
        "boosted_trees_320_events": trees.predict(tower_features(test)),
    }
    majority = float(np.bincount(true).max() / len(true))
    best = min(read_history(run / METRICS_FILE), key=lambda row: row["val_loss"])
    return {
        "n_train_events_delphes": len(train),
        "n_test_events": len(test),
        "n_test_towers": len(true),
        "majority_class": majority,
        "validation_events": {
            "mlpf": best["val_tower_accuracy"],
            "rule_based": best["val_rule_based_tower_accuracy"],
        },
        "methods": {name: _figures(true, classes) for name, classes in given.items()},
        "mlpf_minus_others": {
            name: _difference(true, given["mlpf"], classes)
            for name, classes in given.items()
            if name != "mlpf"
        },
    }


def _part(number: int) -> Path:
    return CONVERTED / f"{STEM}.{number:03d}.parquet"


@torch.no_grad()
def _network_classes(run: Path, events: Events) -> NDArray[np.int64]:
    network = load_network(run)
    batches = (Batch.from_events(events.take([i])) for i in range(len(events)))
    return np.concatenate([network(batch).pid.numpy() for batch in batches])


def _figures(true: NDArray[np.int64], given: NDArray[np.int64]) -> dict[str, Any]:
    correct = true == given
    figures: dict[str, Any] = {
        "accuracy": float(correct.mean()),
        "standard_error": float(correct.std() / np.sqrt(len(true))),
    }
    for particle in Particle:
        of_class, called = true == particle, given == particle
        if of_class.any():
            figures[f"efficiency_{particle.name.lower()}"] = float(correct[of_class].mean())
        if called.any():
            figures[f"fake_rate_{particle.name.lower()}"] = float(1 - correct[called].mean())
    return figures


def _difference(
    true: NDArray[np.int64], ours: NDArray[np.int64], theirs: NDArray[np.int64]
) -> dict[str, float]:
    """Mean and standard error of the paired difference of correctness."""
    difference = (ours == true).astype(float) - (theirs == true)
    error = difference.std() / np.sqrt(len(true))
    return {"mean": float(difference.mean()), "standard_error": float(error)}


def _print(result: dict[str, Any]) -> None:
    print(f"{result['n_test_towers']} towers of {result['n_test_events']} Delphes events")
    for name, row in result["methods"].items():
        print(f"{name:26s} accuracy {row['accuracy']:.4f} +- {row['standard_error']:.4f}")
    for name, row in result["mlpf_minus_others"].items():
        difference = f"{row['mean']:+.4f} +- {row['standard_error']:.4f}"
        print(f"{'mlpf - ' + name:35s} {difference} (paired)")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
