"""Reports that nobody has to decide about yet, kept beside the storage for a few seconds.

Hundreds of workers that store each value at once wait for each other most of the time. A value
that no decision needs may wait; until it is stored, it is a line of a file in the folder of the
trial. Only the owner of the trial writes there, so no lock is taken. If the owner is killed, the
next one finds the values.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

NAME = "reports.held"
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Report:
    """A finite value that a trial has reported.

    Attributes:
        step: at which.
        value: of the objective.
        figures: to be kept with the trial, because the value is its best one; None: it is not.
    """

    step: int
    value: float
    figures: dict[str, float] | None = None


class HeldReports:
    """The file of one trial, for the process that has its lease."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / NAME
        self._descriptor: int | None = None

    def add(self, report: Report) -> None:
        """Keep a report; it survives the death of this process, not that of the machine.

        Raises:
            OSError: it cannot be written.
        """
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
            self._descriptor = os.open(self._file, flags, 0o600)
        os.write(self._descriptor, json.dumps(astuple(report)).encode() + b"\n")

    def read(self) -> list[Report]:
        """Return what this or an earlier process has kept, without lines that are not whole."""
        try:
            descriptor = os.open(self._file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return []
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
            lines = file.read(_MOST_BYTES).split(b"\n")
        reports = map(_parsed, lines)
        return [report for report in reports if report is not None]

    def remove(self) -> None:
        """Forget all of them: they are stored."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._file.unlink(missing_ok=True)


def _parsed(line: bytes) -> Report | None:
    try:
        step, value, figures = json.loads(line)
    except (ValueError, TypeError, RecursionError):
        return None
    good = type(step) is int and step >= 0 and _is_finite(value) and _are_figures(figures)
    return Report(step, value, figures) if good else None


def _is_finite(value: Any) -> bool:
    return type(value) is float and math.isfinite(value)


def _are_figures(figures: Any) -> bool:
    return figures is None or (
        isinstance(figures, dict) and all(map(_is_finite, figures.values()))
    )
