"""Which committed results are made by code that has changed since (`make results`).

    python -m benchmarks.results [run=NAME]

Lists the JSON files of benchmarks/results: those whose code has changed, with the modules and the
command that makes them again; those that say nothing of their code (no record); and how many are
up to date. Git is not needed: each file has the hashes of its code (benchmarks/record.py).

    run   a file, such as `scale` or `repro_hpo_small`: run its command again;
          stale: the commands of all files whose code has changed
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.record import ROOT, changed
from commons.cli import Failure, UsageError, choose, run_command

FOLDER: Final = ROOT / "benchmarks" / "results"
_STALE: Final = "stale"
_PROGRAMS: Final = ("python", "make")  # a result file cannot name another one


@dataclass
class Settings:
    """What the command line may set."""

    run: str = ""


@dataclass(frozen=True)
class Result:
    """A committed file of figures.

    Attributes:
        name: of the file, without `.json`.
        record: of `benchmarks.record`; empty: it has none.
        changed: modules and files whose code differs from that of the figures.
    """

    name: str
    record: dict[str, Any]
    changed: list[str]

    @property
    def is_stale(self) -> bool:
        """Whether code that the figures depend on has changed."""
        return bool(self.changed)


def read_results(folder: Path = FOLDER, root: Path = ROOT) -> list[Result]:
    """Return all results in a folder, by name; their code is compared with that below `root`."""
    return [_read(file, root) for file in sorted(folder.glob("*.json"))]


def _read(file: Path, root: Path) -> Result:
    content = json.loads(file.read_text())
    record = content.get("record", {}) if isinstance(content, dict) else {}
    return Result(file.stem, record, changed(record.get("code", {}), root))


def main(arguments: list[str]) -> int:
    """List the results or run commands again; see the module's text."""
    return run_command(_main, Settings, arguments, __doc__)


def _main(settings: Settings) -> None:
    results = read_results()
    if settings.run:
        _run_again(_chosen(settings.run, results))
    else:
        print(listing(results))


def listing(results: Sequence[Result]) -> str:
    """Return the lines that the command prints."""
    lines = []
    for each in results:
        if each.is_stale:
            made = f"of {each.record['date'][:10]}, commit {each.record['commit'] or 'unknown'}"
            lines.append(f"stale      {each.name}: {made}; changed: {', '.join(each.changed)}")
            lines.append(f"           {each.record['command']}")
        elif not each.record:
            lines.append(f"no record  {each.name}")
    n_fresh = sum(bool(each.record) and not each.is_stale for each in results)
    return "\n".join([*lines, f"{n_fresh} of {len(results)} results are up to date"])


def _chosen(name: str, results: Sequence[Result]) -> list[Result]:
    if name == _STALE:
        return [each for each in results if each.is_stale]
    choose("run", name, [_STALE, *(each.name for each in results)])
    found = next(each for each in results if each.name == name)
    if not found.record:
        raise UsageError(f"run={name}: the file does not say which command makes it")
    return [found]


def _run_again(results: Sequence[Result]) -> None:
    for command in dict.fromkeys(each.record["command"] for each in results):
        program, *arguments = shlex.split(command)
        if program not in _PROGRAMS:
            raise Failure(f"{command}: expected a command of {' or '.join(_PROGRAMS)}")
        print(f"$ {command}", flush=True)
        executable = sys.executable if program == "python" else program
        if subprocess.run([executable, *arguments], cwd=ROOT, check=False).returncode:
            raise Failure(f"this command failed: {command}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
