"""The set-up lines of a job script: the job ends at one that fails, and says which."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from commons.terminal import one_line
from hpo.settings import SettingError

_NAME = "setup-failed-"
_SIGNALS = 128  # the code of a command that a signal ended is larger
# The trap of DEBUG is not inherited by functions (`module` is one), so it knows our own line. It
# also runs inside the trap of EXIT, where BASH_COMMAND is still what failed.
_BEFORE = """\
hpo_failed() {{
  echo "hpo: setup line $((hpo_line - hpo_first)) ended with code $1: $hpo_command" >&2
  printf '%s\\n' "$((hpo_line - hpo_first)) $1 $(hostname) $hpo_command" > {file}
}}
hpo_command=
trap 'hpo_failed $?' EXIT
hpo_note() {{ [ "$2" = "$hpo_command" ] || {{ hpo_line=$1; hpo_command=$2; }}; }}
trap 'hpo_note $LINENO "$BASH_COMMAND"' DEBUG
set -e
hpo_first=$LINENO"""
# A trap of EXIT that a set-up line has made stays.
_AFTER = """\
set +e
trap - DEBUG
case "$(trap -p EXIT)" in *hpo_failed*) trap - EXIT ;; esac"""


@dataclass(frozen=True)
class Failure:
    """A set-up line that failed in an element of an array."""

    line: int  # from 1
    code: int
    host: str
    command: str

    def error(self) -> SettingError:
        """Return it as an error of one line."""
        text = "line {} of {setup} ended with code {} on {}: {}"
        return SettingError(text, self.line, self.code, self.host, self.command)


def guarded(lines: Sequence[str], folder: Path) -> list[str]:
    """Return these shell lines so that the script ends at the first that fails, with its code.

    What failed is printed, and kept in `folder` for `failures`. The lines may form one command
    together (`if`, `case`), and what comes after them is not concerned.
    """
    if not lines:
        return []
    file = shlex.quote(f"{folder}/{_NAME}") + "${SLURM_ARRAY_TASK_ID:-0}"
    return [*_BEFORE.format(file=file).splitlines(), *lines, *_AFTER.splitlines()]


def failures(folder: Path) -> list[Failure]:
    """Return the set-up lines that failed in the elements of the array of this folder."""
    files = sorted(folder.glob(f"{_NAME}*"))
    return [found for file in files if (found := _read(file)) is not None]


def _read(file: Path) -> Failure | None:
    words = one_line(file.read_text(errors="replace")).split(None, 3)
    if len(words) < 4 or not (words[0].isdigit() and words[1].isdigit()):
        return None  # still being written
    if int(words[1]) > _SIGNALS:
        return None  # canceled, preempted or at its time limit meanwhile
    return Failure(int(words[0]), int(words[1]), words[2], words[3])
