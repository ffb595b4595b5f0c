"""The main job on a laptop (`make demo`): default hyperparameters, a search, and how they compare.

    python -m benchmarks.reproduce.demo [short=true] [out=DIR] [results=DIR]

Runs `python -m mlpf.train` twice and prints each command before it: one training with the default
hyperparameters, then an asynchronous search (hpo=best) of 20 trials that are as long. Trial 0 has
the defaults; the next ones are random until ten trials have reported; later ones are proposed by a
model and random in turn. So the best is hardly the first random draw; which trial won is printed.

One event is one step (experiment=demo). The default learning rate of 1e-4 is made for long
trainings: part of what the search gains here is that it finds a larger one. `make repro-hpo`
trains until the defaults learn little more.

The events are generated on the first call. Run it again to resume. The figures are in
`comparison.json`, and in `demo.json` in the folder `results` if one is given.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.depends import HALVING
from benchmarks.record import write_result
from benchmarks.reproduce.depends import EVENTS, PAUSES, PROPOSALS, TRAINING
from benchmarks.reproduce.history import history_of
from benchmarks.reproduce.scales import run
from commons.cli import run_command
from commons.files import write_json
from mlpf.training.callbacks import read_history
from mlpf.training.plots import PHYSICS

# conf/hpo/sampler/diverse_tpe.yaml: the model needs ten trials with a report. Two workers have at
# most two trials without one.
_FIRST_PROPOSED: Final = 12
_LOSS: Final = "val_loss"
SHOWN: Final = {_LOSS: "validation loss", "val_tower_accuracy": "towers of right class", **PHYSICS}
DEPENDS: Final = (
    *("conf/experiment/demo.yaml", "conf/hpo/best.yaml", "conf/hpo/pruner/ladder.yaml"),
    *("conf/model/gnn_lsh_small.yaml", "conf/search_space/stage1.yaml"),
    *("hpo.search.freeze_thaw", "qsvr.forecasting", *EVENTS, *HALVING, *PAUSES, *PROPOSALS),
    *TRAINING,
)


@dataclass
class Settings:
    """What the command line may set."""

    short: bool = False  # fewer events, epochs and trials: a check that everything runs
    out: Path = Path("outputs/demo")
    results: Path | None = None


def main(arguments: list[str]) -> int:
    """Run the demo; see the module's text."""
    return run_command(_demo, Settings, arguments, __doc__)


def _demo(settings: Settings) -> None:
    experiment, n_trials = ("demo_short", 12) if settings.short else ("demo", 20)
    folder = settings.out / experiment
    default, sweep = folder / "default", folder / "sweep"
    base = f"experiment={experiment}"
    run("mlpf.train", base, f"hydra.run.dir={default}")
    run(
        *("mlpf.train", "-m", base, "hpo=best", "launcher=local", f"hpo.study_name={experiment}"),
        *(f"hpo.n_trials={n_trials}", f"hydra.sweep.dir={sweep}"),
    )
    figures = compare(default, sweep)
    for line in lines(figures, default, sweep):
        print(line)
    write_json(folder / "comparison.json", figures)
    if settings.results is not None:
        command = "python -m benchmarks.reproduce.demo results=benchmarks/results"
        path = settings.results / "demo.json"
        write_result(path, figures, command=command, depends=DEPENDS, seeds=[1])


def compare(default: Path, sweep: Path) -> dict[str, Any]:
    """Return loss and physics of the default training and of the search's best trial.

    Args:
        default: folder of the training.
        sweep: folder of the search.
    """
    before = min(read_history(default / "metrics.csv"), key=lambda row: row[_LOSS])
    summary: dict[str, Any] = json.loads((sweep / "summary.json").read_text())
    after = {**summary["best"]["figures"], _LOSS: summary["best"]["value"]}
    return {
        "default": {name: before[name] for name in SHOWN if name in before},
        "best": {name: after[name] for name in SHOWN if name in after},
        "relative_decrease": 1 - after[_LOSS] / before[_LOSS],
        "improvements": improvements(history_of(sweep.parent, [sweep.name])),
        "sweep": summary,
    }


def improvements(trials: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return number and value of each complete trial that is better than all before it."""
    found: list[dict[str, Any]] = []
    for trial in trials:
        if trial["state"] == "complete" and (not found or trial[_LOSS] < found[-1][_LOSS]):
            found.append({"trial": trial["trial"], _LOSS: trial[_LOSS]})
    return found


def lines(figures: Mapping[str, Any], default: Path, sweep: Path) -> Iterator[str]:
    """Yield the comparison as text."""
    summary = figures["sweep"]
    trials, epochs = summary["n_trials"], summary["epochs"]
    yield f"\n{'':24}{'default':>10}{'best of ' + str(trials['total']):>12}"
    for name, value in figures["default"].items():
        yield f"{SHOWN[name]:24}{value:10.4f}{figures['best'].get(name, float('nan')):12.4f}"
    yield f"validation loss {100 * figures['relative_decrease']:.0f} % lower, trained as long"
    steps = [f"trial {each['trial']} {each[_LOSS]:.4f}" for each in figures["improvements"]]
    yield f"complete trials, each better than all before: {', '.join(steps)}"
    yield winner(summary["best"]["number"])
    not_run = f"{epochs['run']} epochs run, {epochs['saved']} saved"
    yield f"{trials['complete']} of {trials['total']} trials trained to the end; {not_run}"
    for name, value in summary["best"]["params"].items():
        yield f"  {name}: {value}"
    yield f"pictures: {sweep}/*.png and {default}/loss_curves.png"
    best = f"--config-dir={sweep} --config-name=best"
    yield f"train the best configuration again: python -m mlpf.train {best}"


def winner(number: int) -> str:
    """Return where the best trial comes from.

    >>> winner(12)
    'trial 12 won: proposed by the model'
    """
    if number == 0:
        return "trial 0 won: the defaults"
    if number < _FIRST_PROPOSED:
        return f"trial {number} won: one of the random draws that the search begins with"
    return f"trial {number} won: {'a random draw' if number % 2 else 'proposed by the model'}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
