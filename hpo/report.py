"""The report on a study: its files, and the command `python -m hpo.report`, see `--help`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from commons.cli import run_command
from commons.console import Console
from commons.files import replacing
from hpo.attributes import APP, RUN
from hpo.reporting.best import best_config
from hpo.reporting.plots import draw_history, draw_importances, draw_learning_curves
from hpo.reporting.summary import Summary, summarize
from hpo.reporting.table import study_table
from hpo.storage.finding import find_storage, find_study
from hpo.storage.opening import open_storage

USAGE = """\
Report on a study: table, best configuration, pictures, figures.

    python -m hpo.report study=NAME storage=WHERE [dir=FOLDER]

study    name of the study; may be left out if the storage holds one only
storage  journal file, sweep folder, or database URL
dir      folder for the files; the one of the journal, else outputs/sweeps/NAME

Writes best.yaml, summary.json, history.png, learning_curves.png and importances.png.
"""


@dataclass
class Settings:
    """What the command line may set, see USAGE."""

    storage: str
    study: str | None = None
    dir: Path | None = None


def write_report(storage: BaseStorage, study_name: str, folder: Path) -> Summary:
    """Write the files of a study into `folder` and return its figures.

    Raises:
        KeyError: the storage has no such study.
    """
    study_id = storage.get_study_id_from_name(study_name)
    summary, trials = summarize(storage, study_id)
    with replacing(folder / "summary.json") as partial:
        partial.write_text(json.dumps(asdict(summary), indent=2) + "\n")
    best = summary.best
    app = storage.get_study_user_attrs(study_id).get(APP)
    if best is not None and app is not None:
        comment = f"Trial {best.number} of study {study_name}: {best.value:.6g}."
        overrides = trials[best.number].user_attrs[RUN]["overrides"]
        with replacing(folder / "best.yaml") as partial:
            partial.write_text(best_config(app, overrides, comment))
    draw_history(trials, summary.direction, folder / "history.png")
    draw_learning_curves(trials, best.number if best else None, folder / "learning_curves.png")
    study = optuna.load_study(study_name=study_name, storage=storage)
    draw_importances(study, folder / "importances.png")
    return summary


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    return run_command(_report, Settings, arguments, USAGE)


def _report(settings: Settings) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    location = find_storage(settings.storage)
    storage = open_storage(str(location), Path.cwd(), exists=True)
    name = find_study(storage, settings.study)
    home = location.parent if isinstance(location, Path) else Path("outputs/sweeps", name)
    folder = settings.dir or home
    summary = write_report(storage, name, folder)
    console = Console()
    console.print(study_table(summary))
    console.print(f"files in {folder}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
