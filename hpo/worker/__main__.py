"""Join a study: the command `python -m hpo.worker`, see `--help`."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commons.cli import UsageError, run_command
from commons.console import Console
from hpo.attributes import COMMAND, FOLDER, stored
from hpo.storage.finding import find_storage, find_study
from hpo.storage.opening import open_storage

USAGE = """\
Work on a study with this process: one worker, started by anything on any machine that reaches it.

    python -m hpo.worker study=FOLDER [name=NAME] [cwd=DIR]

study  sweep folder, journal file, or the URL of a database or proxy
name   of the study; may be left out if the storage holds one only
cwd    where the sweep was typed, if that folder has another path here

The application is run as the sweep's command was typed, from the same folder, so join only studies
of people whom you trust. The process ends when no trial is left for it. It may join late, be
stopped or be killed: its trial is then taken over by another worker.
"""


@dataclass
class Settings:
    """What the command line may set, see USAGE."""

    study: str
    name: str | None = None
    cwd: Path | None = None


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    return run_command(_join, Settings, arguments, USAGE)


def _join(settings: Settings) -> None:
    location = find_storage(settings.study, "study")
    if isinstance(location, Path):
        _check_writers(location)
    storage = open_storage(str(location), Path.cwd(), exists=True)
    name = find_study(storage, settings.name, "name")
    attributes = storage.get_study_user_attrs(storage.get_study_id_from_name(name))
    words, cwd = _command(attributes, settings, location)
    Console().print(f"in {cwd}: {shlex.join(words)}", markup=False, soft_wrap=True)
    os.chdir(cwd)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *words])  # signals and exit code are the worker's


def _command(
    attributes: Mapping[str, Any], settings: Settings, location: Path | str
) -> tuple[list[str], Path]:
    """Return the words after `python` and the folder of the command that joins."""
    typed = stored(attributes, COMMAND)
    if typed is None:
        raise UsageError(
            f"study={settings.study}: it does not say how its sweep was typed; run the sweep's "
            "own command with hydra.sweeper.join=true"
        )
    cwd = settings.cwd or Path(typed["cwd"])
    if not cwd.is_dir():
        raise UsageError(f"cwd={cwd}: no such folder here; say where the sweep was typed")
    program = ["-m", typed["module"]] if typed["module"] else [typed["file"]]
    if not typed["module"] and not Path(typed["file"]).is_file():
        raise UsageError(f"study={settings.study}: its script {typed['file']} is not here")
    more = ["hydra.sweeper.join=true"]
    if not isinstance(location, Path):
        more.append(f"hydra.sweeper.storage={_quoted(str(location))}")
    elif not Path(stored(attributes, FOLDER, "")).is_dir():
        more.append(f"hydra.sweep.dir={_quoted(str(location.parent.absolute()))}")
    return [*program, *typed["arguments"], *more], cwd


def _quoted(text: str) -> str:
    """Return a text as a value of an override."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _check_writers(journal: Path) -> None:
    """Refuse a study in which anybody could have written the command."""
    for path in (journal.absolute().parent, journal):
        mode = path.stat().st_mode
        if mode & stat.S_IWOTH and not (path.is_dir() and mode & stat.S_ISVTX):
            raise UsageError(f"study: everybody may write to {path}; chmod o-w it first")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
