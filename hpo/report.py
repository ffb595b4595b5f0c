"""The report on a study: its files, and the command `python -m hpo.report`, see `--help`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage

from commons.cli import UsageError, run_command
from commons.console import Console
from commons.files import replacing
from hpo.attributes import APP, FOLDER, RUN, STUDY_ID, stored
from hpo.reporting.best import best_config
from hpo.reporting.ledger import read_ledger, write_ledger
from hpo.reporting.plots import draw_history, draw_importances, draw_learning_curves
from hpo.reporting.summary import Summary, summarize
from hpo.reporting.table import study_table
from hpo.settings import SettingError, study_name
from hpo.storage.finding import find_storage, find_study
from hpo.storage.folders import owner_of
from hpo.storage.opening import open_storage

USAGE = """\
Report on a study: table, best configuration, pictures, figures.

    python -m hpo.report study=NAME storage=WHERE [dir=FOLDER]

study    name of the study; may be left out if the storage holds one only
storage  journal file, sweep folder, or database URL
dir      folder for the files; that of the journal or of the sweep, else outputs/sweeps/NAME

Writes best.yaml, summary.json, ledger.csv, history.png, learning_curves.png and importances.png.
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
    write_ledger(read_ledger(storage, study_id), folder / "ledger.csv")
    best = summary.best
    app = stored(storage.get_study_user_attrs(study_id), APP)
    run = stored(trials[best.number].user_attrs, RUN) if best is not None else None
    if best is not None and app is not None and run is not None:
        comment = f"Trial {best.number} of study {study_name}: {best.value:.6g}."
        with replacing(folder / "best.yaml") as partial:
            partial.write_text(best_config(app, run["overrides"], comment))
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
    attributes = storage.get_study_user_attrs(storage.get_study_id_from_name(name))
    folder = settings.dir or _home(location, name, attributes)
    owner = owner_of(folder)
    if owner is not None and owner.study_id != stored(attributes, STUDY_ID):
        raise UsageError(f"dir={folder}: this folder belongs to {owner}; choose another one")
    summary = write_report(storage, name, folder)
    console = Console()
    study_id = storage.get_study_id_from_name(name)
    console.print(study_table(summary, ledger=read_ledger(storage, study_id)))
    console.print(f"files in {folder}")


def _home(location: Path | str, name: str, attributes: Mapping[str, Any]) -> Path:
    """Return the folder of a study."""
    if isinstance(location, Path):
        return location.parent
    recorded = stored(attributes, FOLDER)
    if recorded is not None and Path(recorded).is_dir():
        return Path(recorded)
    try:
        return Path("outputs/sweeps", study_name(name))
    except SettingError as error:
        raise UsageError("dir=... is missing: the study's name cannot be a folder") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
