"""The physics of trained networks beside the rules (`make repro-physics`).

    python -m benchmarks.reproduce.physics delphes=DIR [only=NAME,...] [trainer=cpu] [out=FILE]

Each study is made of the project's own commands: events are generated or converted, a network is
trained, `mlpf.evaluate` measures it on events that no choice was made with.

own            `experiment=pretrained`: our own events; 300 other top pairs at pile-up 20
delphes        `experiment=towers`: our own events with labels as published and 320 Delphes events
               at pile-up 20; the other 80
delphes_pu200  the network of `own`, trained on with the 100 Delphes events of one file at pile-up
               200; those of another file, with pile-up events of another pool
qcd_pu200      the networks of `own` and `delphes_pu200`, as they are: a process that neither has
               seen, 100 of our own QCD events at pile-up 200

A training resumes where it was interrupted; what is there already is not made again. The figures
that docs/physics.md shows go to one JSON file, with the limits that were set beforehand.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from commons.cli import Failure, UsageError, did_you_mean, run_command
from commons.files import write_json

RUNS: Final = Path("outputs/physics")
CONVERTED: Final = Path("data/delphes")
_OWN_SEED: Final = 301  # of the events that are only measured on


@dataclass(frozen=True)
class Study:
    """One network and the events that judge it."""

    made_by: tuple[str, ...]  # studies whose network is used or trained on
    train: tuple[str, ...]  # overrides of mlpf.train; empty: the networks of `made_by` as they are
    events: tuple[str, ...]  # overrides of mlpf.generate for the events to measure on, if any
    files: str  # pattern of the files to measure on


@dataclass(frozen=True)
class Limit:
    """What a figure was asked to reach: at least or at most `value`."""

    name: str
    selection: str
    column: str
    at_least: float | None = None
    at_most: float | None = None

    def is_met(self, value: float) -> bool:
        """Tell whether a figure is inside of the limits."""
        low = self.at_least is None or value >= self.at_least
        return low and (self.at_most is None or value <= self.at_most)


def _generated(process: str, pileup: int, n_events: int) -> tuple[tuple[str, ...], str]:
    folder = f"data/physics/{process}_pu{pileup}"
    sizes = [f"data.source.n_events.{split}=0" for split in ("train", "val")]
    source = {"process": process, "pileup": pileup, "seed": _OWN_SEED, "folder": folder}
    chosen = [f"data.source.{key}={value}" for key, value in source.items()]
    own = (*chosen, *sizes, f"data.source.n_events.test={n_events}", "data.source.n_minbias=5000")
    return own, f"{folder}/test-*.parquet"


_PU200: Final = f"{CONVERTED}/tev14_pythia8_ttbar_pu200"
STUDIES: Final = {
    "own": Study((), ("experiment=pretrained",), *_generated("ttbar", 20, 300)),
    "delphes": Study(
        (), ("experiment=towers",), (), f"{CONVERTED}/tev14_pythia8_ttbar_pu20_0.004.parquet"
    ),
    "delphes_pu200": Study(("own",), ("experiment=delphes_pu200",), (), f"{_PU200}_1.*.parquet"),
    "qcd_pu200": Study(("own", "delphes_pu200"), (), *_generated("qcd", 200, 100)),
}
_JETS: Final = "eta<2.5"
_SAME: Final = (
    Limit("jet_efficiency_equal_number", _JETS, "mlpf-rules", at_least=0),
    Limit("jet_purity_equal_number", _JETS, "mlpf-rules", at_least=0),
    Limit("unphysical_share", "all", "mlpf", at_most=0),
)
LIMITS: Final = {
    "own": (
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
    if not CONVERTED.is_dir():
        _run("mlpf.convert", f"src={settings.delphes}", f"dst={CONVERTED}", "events_per_file=80")
    for name in chosen:
        results[name] = _measured(name, settings.trainer)
        write_json(settings.out, results)
        _print(name, results[name])
    return 0


def _measured(name: str, trainer: str) -> dict[str, Any]:
    study, start = STUDIES[name], _children_s()
    networks = study.made_by
    if study.train:
        first = [f"init_from={RUNS / made}" for made in study.made_by]
        run = [f"trainer={trainer}", f"hydra.run.dir={RUNS / name}"]
        _run("mlpf.train", *study.train, *first, *run)
        networks = (name,)
    trained = _children_s()
    if study.events:
        _run("mlpf.generate", *study.events)
    figures = {}
    for network in networks:
        out = RUNS / f"{name}_by_{network}"
        _run("mlpf.evaluate", f"run={RUNS / network}", f"files=[{study.files}]", f"out={out}")
        figures[network] = _figures(name, json.loads((out / "evaluation.json").read_text()))
    return {"train_cpu_s": round(trained - start), "networks": figures}


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

    value = rows[limit.name, limit.selection, limit.column]["value"]
    return {
        "name": limit.name,
        "selection": limit.selection,
        **{column: cell(column) for column in ("rules", "mlpf", "mlpf-rules")},
        "column": limit.column,
        "at_least": limit.at_least,
        "at_most": limit.at_most,
        "met": limit.is_met(value),
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
