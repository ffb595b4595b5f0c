"""The backbones at equal CPU seconds: accuracy, MET, jets, memory, speed (`make repro-models`).

    python -m benchmarks.reproduce.models [cpu_s=120] [lr=3e-3] [runs=DIR] [out=FILE]

1. measures what a step of each model costs, by two short trainings of different length,
2. trains each (`experiment=small`: 1000 events of our own generator at pile-up 20) on one thread
   for as many steps as `cpu_s` CPU seconds buy; so each learning-rate schedule ends with the
   budget. Starting the program and the validations come on top, and are in the time measured,
3. evaluates each on the 250 test events (`python -m mlpf.evaluate`),
4. writes the figures as JSON and prints them as a table.

All models have about as many parameters, and the same encoder, heads, loss, batches, optimizer,
schedule and seed. A comparison that was interrupted begins anew, in another folder.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.record import write_result
from benchmarks.reproduce.depends import EVALUATION, EVENTS, TRAINING
from commons.cli import Failure, UsageError, run_command
from mlpf.network.saved import load_network

_DEPENDS = (
    "benchmarks.reproduce.models",
    "conf/model",
    "mlpf.network.gravnet",
    "mlpf.network.transformer",
    *EVENTS,
    *EVALUATION,
    *TRAINING,
)

_PILOTS: Final = (0.05, 0.15)  # of an epoch
_TRAINING: Final = (
    "experiment=small",
    "optimizer=adamw",
    "scheduler=cosine",
    "data.max_elements_per_batch=3000",
    "data.max_events.val=100",
    "trainer=cpu",
    "trainer.threads=1",
    "trainer.gradient_clip_val=1.0",
    "logger=none",
)
# Heading: name and selection of the figure in evaluation.json.
FIGURES: Final = {
    "tower accuracy": ("tower_accuracy", "towers"),
    "neutral hadrons found": ("efficiency", "neutral_hadron"),
    "neutral hadrons fake": ("fake_rate", "neutral_hadron"),
    "MET RMS (GeV)": ("met_rms", "all"),
    "sum pt / truth": ("sum_pt_ratio", "all"),
    "jets found": ("jet_efficiency", "eta<2.5"),
    "jets pure": ("jet_purity", "eta<2.5"),
    "jets found, as many as rules": ("jet_efficiency_equal_number", "eta<2.5"),
    "jets pure, as many as rules": ("jet_purity_equal_number", "eta<2.5"),
    "jet IQR / median": ("jet_response_iqr", "eta<2.5"),
}
_SIZES: Final = (1280, 5120, 12800)  # elements, of the times and memories shown


@dataclass
class Settings:
    """What the command line may set.

    Args:
        cpu_s: CPU seconds of the steps of each training, greater than 0.
        lr: learning rate at the start, the same for all.
        models: options of `model`.
        runs: new folder for trainings and evaluations.
        out: the JSON file to write.
    """

    cpu_s: float = 120.0
    lr: float = 3e-3
    models: list[str] = field(
        default_factory=lambda: ["gnn_lsh_small", "gravnet_small", "transformer_small"]
    )
    runs: Path = Path("outputs/models")
    out: Path = Path("benchmarks/results/models.json")


@dataclass(frozen=True)
class Plan:
    """A training of equal epochs."""

    epochs: int
    fraction: float  # of the batches in each

    @classmethod
    def of(cls, budget_s: float, epoch_s: float) -> Plan:
        """Return the plan whose steps take `budget_s` where a full epoch takes `epoch_s`."""
        epochs = math.ceil(budget_s / epoch_s)
        return cls(epochs, round(budget_s / (epochs * epoch_s), 4))

    def overrides(self) -> list[str]:
        """Return the keys of a training."""
        fraction = f"trainer.limit_train_batches={self.fraction}"
        return [f"trainer.max_epochs={self.epochs}", fraction]


@dataclass(frozen=True)
class Usage:
    """What a process used."""

    cpu_s: float
    peak_mb: float


def main(arguments: list[str]) -> int:
    """Train, evaluate, compare; see the module's text."""
    return run_command(_compare, Settings, arguments, __doc__)


def _compare(settings: Settings) -> int:
    if settings.cpu_s <= 0:
        raise UsageError(f"cpu_s must be greater than 0, got {settings.cpu_s}")
    if settings.runs.exists():
        raise UsageError(f"runs={settings.runs}: exists; remove it or give another folder")
    base = [f"model={settings.models[0]}", *_TRAINING]
    _run("train", *base, *Plan(1, 0.01).overrides(), f"hydra.run.dir={settings.runs / 'events'}")
    measured = {name: _measure(name, settings) for name in settings.models}
    shown = {**asdict(settings), "runs": None, "out": None}
    result = {"settings": shown, "training": _TRAINING, "models": measured}
    write_result(settings.out, result, command="make repro-models", depends=_DEPENDS, seeds=[1])
    print(table(measured))
    return 0


def _measure(name: str, settings: Settings) -> dict[str, Any]:
    """Train and evaluate one model."""
    folder = settings.runs / name
    base = [f"model={name}", *_TRAINING, f"optimizer.lr={settings.lr}"]
    plan = Plan.of(settings.cpu_s, _epoch_s(base, folder))
    usage = _run("train", *base, *plan.overrides(), f"hydra.run.dir={folder / 'run'}")
    evaluation = folder / "evaluation"
    _run("evaluate", f"run={folder / 'run'}", f"out={evaluation}", "speed=scan", "events=0")
    content = json.loads((evaluation / "evaluation.json").read_text())
    n_parameters = sum(p.numel() for p in load_network(folder / "run").parameters())
    return {
        "parameters": n_parameters,
        **asdict(plan),
        **asdict(usage),
        "figures": figures(content),
    }


def _epoch_s(base: list[str], folder: Path) -> float:
    """Return the CPU seconds of the steps of an epoch; what else a training does cancels."""
    costs = [
        _run(
            "train",
            *(*base, *Plan(1, fraction).overrides(), "trainer.limit_val_batches=1"),
            f"hydra.run.dir={folder / f'pilot_{fraction}'}",
        ).cpu_s
        for fraction in _PILOTS
    ]
    return (costs[1] - costs[0]) / (_PILOTS[1] - _PILOTS[0])


def _run(command: str, *arguments: str) -> Usage:
    """Run a command of mlpf and return what it used."""
    print(f"\n$ python -m mlpf.{command} {shlex.join(arguments)}", flush=True)
    process = subprocess.Popen([sys.executable, "-m", f"mlpf.{command}", *arguments])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Failure(f"this step failed: python -m mlpf.{command} {shlex.join(arguments)}")
    return Usage(round(usage.ru_utime + usage.ru_stime, 1), round(usage.ru_maxrss / 1024))


def figures(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the compared figures of an `evaluation.json`: by heading, then column."""
    rows = {(row["name"], row["selection"], row["column"]): row for row in content["rows"]}
    wanted = dict(FIGURES)
    for size in _SIZES:
        wanted[f"ms, {size} elements"] = ("ms_per_event", f"{size} elements")
        wanted[f"MB, {size} elements"] = ("mb_per_event", f"{size} elements")
    return {
        heading: {
            column: {key: rows[*figure, column][key] for key in ("value", "error")}
            for column in ("rules", "mlpf", "mlpf-rules")
            if (*figure, column) in rows
        }
        for heading, figure in wanted.items()
    }


def table(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the comparison in Markdown; a column per model, the rules first."""
    lines = [["", "rules", *measured], ["---"] * (len(measured) + 2)]
    lines += [
        [name, "", *(f"{model[name]:g}" for model in measured.values())]
        for name in ("parameters", "epochs", "fraction", "cpu_s", "peak_mb")
    ]
    for heading in next(iter(measured.values()))["figures"]:
        found = [model["figures"][heading] for model in measured.values()]
        cells = [_cell(figure.get("mlpf")) for figure in found]
        lines.append([heading, _cell(found[0].get("rules")), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(figure: Mapping[str, Any] | None) -> str:
    if figure is None or figure["value"] is None:
        return ""
    error = "" if figure["error"] is None else f" +- {figure['error']:.2g}"
    return f"{figure['value']:.4g}{error}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
