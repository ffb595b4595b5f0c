"""The report on a study: its files, and the command `python -m hpo.report`, see `--help`."""

from __future__ import annotations

import csv
import json
import shlex
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
from hpo.reporting.artist import Artist
from hpo.reporting.best import best_config
from hpo.reporting.front import write_front
from hpo.reporting.ledger import write_ledger
from hpo.reporting.one_trial import describe_trial, find_trial
from hpo.reporting.page import PAGE
from hpo.reporting.plots import draw_curve
from hpo.reporting.rerun import program, sweep_command
from hpo.reporting.rows import write_csv
from hpo.reporting.subject import Subject, read_subject
from hpo.reporting.table import study_table
from hpo.search.lineage import lineage
from hpo.settings import SettingError, study_name
from hpo.storage.finding import find_storage, find_study
from hpo.storage.folders import owner_of
from hpo.storage.opening import open_storage

USAGE = """\
Report on a study: table, best configuration, all trials, pictures, one page.

    python -m hpo.report FOLDER
    python -m hpo.report storage=WHERE [study=NAME] [dir=FOLDER] [trial=NUMBER]

FOLDER   that of a sweep: short for storage=FOLDER
storage  journal file, sweep folder, or database URL
study    name of the study; may be left out if the storage holds one only
dir      folder for the files; that of the journal or of the sweep, else outputs/sweeps/NAME
trial    tell all about this trial instead, and draw its learning curve

Writes report.html (a page that holds everything), trials.csv (one row per trial), best.yaml,
ledger.csv (what it has cost), summary.json and the pictures of the page; schedule.csv, if the best
trial goes on from the checkpoints of others.
"""
BEST = "best.yaml"
TRIALS = "trials.csv"
SCHEDULE = "schedule.csv"


@dataclass
class Settings:
    """What the command line may set, see USAGE."""

    storage: str
    study: str | None = None
    dir: Path | None = None
    trial: int | None = None


@dataclass(frozen=True)
class Report:
    """The files on a study.

    Attributes:
        subject: what they are about.
        folder: where they are.
        commands: what to do with the study: a command by purpose.
    """

    subject: Subject
    folder: Path
    commands: dict[str, str]

    def closing_lines(self) -> list[str]:
        """Return what a user does next, a line each."""
        files = {"page": PAGE, "all trials": TRIALS, "best configuration": BEST}
        there = {name: self.folder / file for name, file in files.items()}
        lines = [f"{name}: {path}" for name, path in there.items() if path.is_file()]
        return lines + [f"{purpose}: {command}" for purpose, command in self.commands.items()]


def write_report(
    storage: BaseStorage, study_name: str, folder: Path, artist: Artist | None = None
) -> Report:
    """Write the files of a study into `folder`.

    The texts come first: they are there at once. `artist` draws; None: this process does.

    Raises:
        KeyError: the storage has no such study.
    """
    subject = read_subject(storage, storage.get_study_id_from_name(study_name))
    with replacing(folder / "summary.json") as partial:
        partial.write_text(json.dumps(asdict(subject.summary), indent=2) + "\n")
    write_ledger(subject.ledger, folder / "ledger.csv")
    best = best_yaml(subject)
    if best is not None:
        with replacing(folder / BEST) as partial:
            partial.write_text(best)
    write_front(subject, folder)
    write_csv(subject, folder, folder / TRIALS)
    write_schedule(schedule_of(subject), folder / SCHEDULE)
    commands = commands_of(subject, folder, best is not None)
    (artist or Artist()).draw(subject, folder, best, commands)
    return Report(subject, folder, commands)


def best_yaml(subject: Subject) -> str | None:
    """Return the best configuration as YAML; None: none is known."""
    app, best = stored(subject.attributes, APP), subject.summary.best
    run = stored(subject.best.user_attrs, RUN) if subject.best is not None else None
    if best is None or app is None or run is None:
        return None
    by = "" if best.rule is None else f", the best by {best.rule}"
    comment = f"Trial {best.number} of study {subject.name}: {best.told}{by}{best.origin}."
    if stages := schedule_of(subject):
        since = stages[-1]["first_step"]
        comment += (
            f"\n# Its model is the result of a schedule of {len(stages)} stages, see {SCHEDULE}.\n"
            f"# Below are the values from step {since} on; alone they train another model."
        )
    return best_config(app, run["overrides"], comment)


def schedule_of(subject: Subject) -> list[dict[str, Any]]:
    """Return trial, steps, last value and hyperparameters of each stage of the best trial.

    Empty: it has begun with nothing, unlike a trial of population based training.
    """
    if subject.best is None:
        return []
    stages = lineage(subject.best, {trial.number: trial for trial in subject.trials})
    rows = [
        {
            "trial": stage.trial.number,
            "first_step": stage.first,
            "last_step": stage.last,
            "value": stage.trial.intermediate_values.get(stage.last),
            **stage.trial.params,
        }
        for stage in stages
    ]
    return rows if len(rows) > 1 else []


def write_schedule(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the stages of the best trial as CSV; without any there is no file."""
    if not rows:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*dict.fromkeys(key for row in rows for key in row)])
        writer.writeheader()
        writer.writerows(rows)


def commands_of(subject: Subject, folder: Path, has_best: bool) -> dict[str, str]:
    """Return what to do with a study: a command by purpose."""
    place = shlex.quote(str(folder))
    commands = {}
    if has_best:
        best = f"{program(subject.attributes)} --config-dir {place} --config-name best"
        commands["train the best configuration"] = best
    if sweep := sweep_command(subject.attributes):
        commands["continue the sweep"] = sweep
    where = place if (folder / "journal.log").is_file() else f"storage=URL study={subject.name}"
    commands["report again, or on one trial"] = f"hpo report {where} [trial=NUMBER]"
    commands["look at it in a browser"] = f"hpo dashboard {where}"
    return commands


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    return run_command(_report, Settings, with_folder(arguments), USAGE)


def with_folder(arguments: Sequence[str]) -> list[str]:
    """Return arguments in which a first one without a key is `storage=...`.

    >>> with_folder(["outputs/sweeps/asha_bo", "trial=7"])
    ['storage=outputs/sweeps/asha_bo', 'trial=7']
    """
    first, *others = arguments or [""]
    is_folder = first and "=" not in first and not first.startswith("-")
    return [f"storage={first}", *others] if is_folder else [*arguments]


def _report(settings: Settings) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    location = find_storage(settings.storage)
    storage = open_storage(str(location), Path.cwd(), exists=True)
    name = find_study(storage, settings.study)
    study_id = storage.get_study_id_from_name(name)
    attributes = storage.get_study_user_attrs(study_id)
    folder = settings.dir or _home(location, name, attributes)
    owner = owner_of(folder)
    if owner is not None and owner.study_id != stored(attributes, STUDY_ID):
        raise UsageError(f"dir={folder}: this folder belongs to {owner}; choose another one")
    console = Console()
    if settings.trial is not None:
        _report_trial(console, read_subject(storage, study_id), settings.trial, folder)
        return
    report = write_report(storage, name, folder)
    console.print(study_table(report.subject.summary, ledger=report.subject.ledger))
    for line in report.closing_lines():
        console.print(line, soft_wrap=True)


def _report_trial(console: Console, subject: Subject, wanted: int, folder: Path) -> None:
    trial = find_trial(subject, wanted)
    picture = draw_curve(subject, trial, folder / f"trial_{trial.number}.png")
    console.print(describe_trial(subject, trial, folder))
    console.print(f"picture: {picture}")


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
