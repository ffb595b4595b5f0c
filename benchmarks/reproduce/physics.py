"""The physics of trained networks beside the rules (`make repro-physics`).

    python -m benchmarks.reproduce.physics delphes=DIR [only=NAME,...] [trainer=cpu] [out=FILE]

Each study is made of the project's own commands. `mlpf.evaluate` measures a network on events that
no choice was made with:

own            the network in the repository (`model=pretrained`); 300 of our own top pairs at
               pile-up 20, with another seed than its training
delphes        that network, trained on with 240 Delphes events at pile-up 20, 80 for validation;
               the other 80 of the file
delphes_pu200  the same with the 100 events of one file at pile-up 200; those of another file,
               whose pile-up comes from another pool
qcd_pu200      two of these networks as they are; 100 of our own QCD events at pile-up 200, a
               process that none has seen

A training resumes where it was interrupted; what is there already is not made again. The figures
that docs/results/physics.md shows go to one JSON file, with the limits that were set
beforehand, and some pictures of `own` beside it.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.record import write_result
from benchmarks.reproduce.depends import DELPHES, EVALUATION, EVENTS, TRAINING
from commons.cli import Failure, UsageError, did_you_mean, run_command

_DEPENDS = (
    "benchmarks.reproduce.physics",
    "mlpf.evaluation.stream",
    *DELPHES,
    *EVENTS,
    *EVALUATION,
    *TRAINING,
)

RUNS: Final = Path("outputs/physics")
CONVERTED: Final = Path("data/delphes")
_OWN_SEED: Final = 301  # of the events that are only measured on


@dataclass(frozen=True)
class Study:
    """Networks and the events that judge them."""

    files: str  # pattern of the files to measure on
    generated: tuple[str, ...] = ()  # overrides of mlpf.generate that make these files
    train: str = ""  # patterns, in the converted folder, of the events to train on; empty: none
    val: str = ""
    networks: tuple[str, ...] = ()  # studies whose networks are measured as they are


@dataclass(frozen=True)
class Limit:
    """What a figure was asked to reach: a least or largest value, by some standard errors."""

    name: str
    selection: str
    column: str
    at_least: float | None = None
    at_most: float | None = None
    by_errors: float = 0.0

    def is_met(self, value: float, error: float) -> bool:
        """Tell whether a figure is inside of the limits."""
        low = self.at_least is None or value - self.by_errors * error >= self.at_least
        return low and (self.at_most is None or value <= self.at_most)


def _generated(process: str, pileup: int, n_events: int) -> Study:
    folder = f"data/physics/{process}_pu{pileup}"
    source = {"process": process, "pileup": pileup, "seed": _OWN_SEED, "folder": folder}
    sizes = {"n_events.train": 0, "n_events.val": 0, "n_events.test": n_events, "n_minbias": 5000}
    overrides = (f"data.source.{key}={value}" for key, value in (source | sizes).items())
    return Study(f"{folder}/test-*.parquet", tuple(overrides))


_PU20: Final = "tev14_pythia8_ttbar_pu20_0"
_PU200: Final = "tev14_pythia8_ttbar_pu200"
PRETRAINED: Final = "pretrained"
STUDIES: Final = {
    "own": replace(_generated("ttbar", 20, 300), networks=(PRETRAINED,)),
    "delphes": Study(
        f"{CONVERTED}/{_PU20}.004.parquet",
        train=f"{_PU20}.00[0-2].parquet",
        val=f"{_PU20}.003.parquet",
    ),
    "delphes_pu200": Study(
        f"{CONVERTED}/{_PU200}_1.*.parquet",
        train=f"{_PU200}_0.000.parquet",
        val=f"{_PU200}_0.001.parquet",
    ),
    "qcd_pu200": replace(_generated("qcd", 200, 100), networks=(PRETRAINED, "delphes_pu200")),
}
PICTURES: Final = ("event_1", "met_residual", "jet_response", "reliability_against_confidence")
_JETS: Final = "eta<2.5"
_SAME: Final = (
    Limit("jet_efficiency_equal_number", _JETS, "mlpf-rules", at_least=0, by_errors=2),
    Limit("jet_purity_equal_number", _JETS, "mlpf-rules", at_least=0, by_errors=2),
    Limit("unphysical_share", "all", "mlpf", at_most=0),
)
LIMITS: Final = {
    "own": (
        Limit("tower_accuracy", "towers", "mlpf-rules", at_least=0, by_errors=2),
        Limit("met_ratio", "all", "mlpf", at_most=0.85),
        Limit("jet_iqr_ratio", _JETS, "mlpf", at_most=1.02),
        Limit("jet_iqr_ratio", f"{_JETS}, pt 30-100", "mlpf", at_most=1.02),
        Limit("sum_pt_ratio", "all", "mlpf", at_least=0.98, at_most=1.02),
        Limit("fake_rate_at_rules_efficiency_ratio", "neutral_hadron", "mlpf", at_most=0.7),
        *_SAME,
    ),
    "delphes": (
        Limit("tower_accuracy", "towers", "mlpf", at_least=0.908),
        Limit("met_ratio", "all", "mlpf", at_most=0.88),
        Limit("sum_pt_ratio", "all", "mlpf", at_least=0.98, at_most=1.02),
        *_SAME,
    ),
    "delphes_pu200": (
        Limit("tower_accuracy", "towers", "mlpf-rules", at_least=0.016),
        Limit("met_ratio", "all", "mlpf", at_most=0.75),
        *_SAME,
    ),
    "qcd_pu200": (
        Limit("tower_accuracy", "towers", "mlpf-rules", at_least=0),
        Limit("met_ratio", "all", "mlpf", at_most=1),
        *_SAME,
    ),
}


@dataclass
class Settings:
    """What the command line may set."""

    delphes: Path = Path("../shared/data/delphes")
    only: str = ",".join(STUDIES)
    trainer: str = "cpu"
    out: Path = Path("benchmarks/results/physics.json")


def main(arguments: list[str]) -> int:
    """Train and measure; see the module's text."""
    return run_command(_reproduce, Settings, arguments, __doc__)


def _reproduce(settings: Settings) -> int:
    chosen = settings.only.split(",")
    for name in chosen:
        if name not in STUDIES:
            raise UsageError(f"only: no study {name}{did_you_mean(name, STUDIES)}")
    if not list(settings.delphes.glob("*.pkl.bz2")):
        raise UsageError(f"delphes={settings.delphes}: no *.pkl.bz2 there")
    results = json.loads(settings.out.read_text()) if settings.out.is_file() else {}
    _run("mlpf.convert", f"src={settings.delphes}", f"dst={CONVERTED}", "events_per_file=80")
    for name in chosen:
        results[name] = _measured(name, settings.trainer)
        write_result(
            settings.out,
            results,
            command="make repro-physics",
            depends=_DEPENDS,
            extends=len(chosen) < len(STUDIES),
        )
        _print(name, results[name])
    if "own" in chosen:
        pictures = settings.out.with_suffix("")
        pictures.mkdir(exist_ok=True)
        for picture in PICTURES:
            shutil.copy(RUNS / f"own_by_{PRETRAINED}" / f"{picture}.png", pictures)
    return 0


def _measured(name: str, trainer: str) -> dict[str, Any]:
    study, start = STUDIES[name], _children_s()
    if study.train:
        train_on(study, RUNS / name, trainer)
    trained = _children_s()
    if study.generated:
        _run("mlpf.generate", *study.generated)
    figures = {}
    for network in study.networks or (name,):
        used = f"run={RUNS / network}" if network in STUDIES else f"model={network}"
        out = RUNS / f"{name}_by_{network}"
        _run("mlpf.evaluate", used, f"files=[{study.files}]", f"out={out}")
        figures[network] = _figures(name, json.loads((out / "evaluation.json").read_text()))
    return {"train_cpu_s": round(trained - start), "networks": figures}


def train_on(study: Study, run: Path, trainer: str) -> None:
    """Train the network in the repository on with the events of a study.

    Raises:
        Failure: the training failed.
    """
    events = [
        f"data.folder={CONVERTED}",
        f"data.train=['{study.train}']",
        f"data.val=['{study.val}']",
    ]
    where = [f"trainer={trainer}", f"hydra.run.dir={run}"]
    # Labels of Delphes files count a K0S or Lambda in two towers: docs/explanation/network.md.
    labels = "loss.huber_delta=10"
    _run("mlpf.train", "experiment=finetune", *events, "data.test=[]", labels, *where)


def _run(module: str, *arguments: str) -> None:
    try:
        subprocess.run([sys.executable, "-m", module, *arguments], check=True)
    except subprocess.CalledProcessError as error:
        raise Failure(f"{module} ended with exit code {error.returncode}") from error


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _figures(name: str, content: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each figure with a limit as the network and the rules have it."""
    rows = {(r["name"], r["selection"], r["column"]): r for r in content["rows"]}
    return [_judged(limit, rows) for limit in LIMITS[name]]


def _judged(limit: Limit, rows: dict[tuple[str, str, str], dict[str, Any]]) -> dict[str, Any]:
    def cell(column: str) -> dict[str, float] | None:
        row = rows.get((limit.name, limit.selection, column))
        return row and {key: row[key] for key in ("value", "error", "n")}

    figure = rows[limit.name, limit.selection, limit.column]
    return {
        "name": limit.name,
        "selection": limit.selection,
        **{column: cell(column) for column in ("rules", "mlpf", "mlpf-rules")},
        "column": limit.column,
        "at_least": limit.at_least,
        "at_most": limit.at_most,
        "by_errors": limit.by_errors,
        "met": limit.is_met(figure["value"], figure["error"]),
    }


def _print(name: str, result: dict[str, Any]) -> None:
    print(f"{name}: training {result['train_cpu_s']} CPU s")
    for network, figures in result["networks"].items():
        for figure in figures:
            print(f"  {network:14s} {_line(figure)}")


def _line(figure: dict[str, Any]) -> str:
    columns: Sequence[str] = ("rules", "mlpf", "mlpf-rules")
    cells = [
        f"{column} {figure[column]['value']:.4f} +- {figure[column]['error']:.4f}"
        for column in columns
        if figure[column]
    ]
    verdict = "met" if figure["met"] else "MISSED"
    return f"{figure['name']} ({figure['selection']}): {', '.join(cells)}: {verdict}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
