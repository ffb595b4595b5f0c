"""What collides: named processes, own files of Pythia commands, and particle guns.

A file of commands is data from outside. Its settings are looked at one by one: those that would
read other files, load code, change the beams or give events a weight are refused; those that this
package decides (number of events, seed, output) are left out and named.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from mlpf.generation.gun import Gun

PROCESSES: Final[dict[str, tuple[str, ...]]] = {
    "ttbar": ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on"),
    "qcd": ("HardQCD:all = on", "PhaseSpace:pTHatMin = 20."),
}
SUFFIX: Final = ".cmnd"
GUN: Final = "gun"

_MAX_BYTES: Final = 100_000
_COMMENT: Final = re.compile(r"\s*([!#].*)?$")
_SETTING: Final = re.compile(
    r"\s*([A-Za-z]\w*|\d+):(\w+)(?:\s*=\s*|\s+)"  # Section:name = or particle:name =
    r"([\w.+{-][^=!#]*?)\s*([!#].*)?$"  # value and comment
)
_BEAMS: Final = {"beams:ida": 2212, "beams:idb": 2212, "beams:ecm": 14_000, "beams:frametype": 1}
_LEFT_OUT: Final = ("main:", "next:", "stat:", "print:", "random:", "init:show", *_BEAMS)
_FILES: Final = "reads other files or loads code"
_WEIGHTS: Final = "gives events a weight, and there are none here"
_REFUSED: Final = {
    "beams:": "changes the beams, which are protons at 14 TeV as in the pile-up",
    "init:": _FILES,
    "multipartoninteractions:reuseinit": _FILES,
    "multipartoninteractions:initfile": _FILES,
    "slha:": _FILES,
    "alpgen:": _FILES,
    "jetmatching:": _FILES,
    "merging:": _FILES,
    "vincia:": _FILES,
    "heavyion": _FILES,
    "hi": _FILES,
    "lhapdf": _FILES,
    "lhahdf": _FILES,
    "powheg": _FILES,
    "pythia:": _FILES,
    "phasespace:bias2": _WEIGHTS,
    "weights:": _WEIGHTS,
    "uncertaintybands:": _WEIGHTS,
    "variationfrag:": _WEIGHTS,
    "enhanced": _WEIGHTS,
}
_NOT_HI: Final = ("higgs", "hidden")


@dataclass(frozen=True)
class Process:
    """What is generated.

    Args:
        name: `ttbar`, `qcd`, `gun`, or name and content of a file of commands.
        settings: of Pythia, beyond `production.COMMON`.
        gun: particles instead of a collision.
        left_out: settings of a file that this package decides.
    """

    name: str
    settings: tuple[str, ...] = ()
    gun: Gun | None = None
    left_out: tuple[str, ...] = ()

    def described(self) -> dict[str, Any]:
        """Return what tells the process from others, for the metadata of a file."""
        return {"process": self.name, "gun": self.gun and asdict(self.gun)}


MINIMUM_BIAS: Final = Process(
    "minimum bias",
    (
        "SoftQCD:nonDiffractive = on",
        "SoftQCD:singleDiffractive = on",
        "SoftQCD:doubleDiffractive = on",
    ),
)


def choose(process: str, gun: Mapping[str, Any] | None = None) -> Process:
    """Return the process of a name or of a file; see `mlpf.PythiaSource`.

    Raises:
        ValueError: there is no such process, the file cannot be read or holds a setting that is
            refused, or `gun` lacks something. The message begins with the argument.

    >>> choose("qcd").settings
    ('HardQCD:all = on', 'PhaseSpace:pTHatMin = 20.')
    """
    if process in PROCESSES:
        return Process(process, PROCESSES[process])
    if process == GUN:
        return Process(GUN, ("ProcessLevel:all = off",), _gun(gun or {}))
    if isinstance(process, str) and process.endswith(SUFFIX):
        return _from_file(Path(process))
    known = [*PROCESSES, GUN]
    raise ValueError(f"process must be one of {known} or a file *{SUFFIX}, got {process!r}")


def _gun(options: Mapping[str, Any]) -> Gun:
    try:
        return Gun(**{str(name): value for name, value in options.items()})
    except TypeError as error:
        raise ValueError(f"gun: {str(error).partition(') ')[2] or error}") from error


def _from_file(path: Path) -> Process:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ValueError(f"process {path}: {reason}") from error
    if len(text) > _MAX_BYTES:
        raise ValueError(f"process {path}: more than {_MAX_BYTES} bytes")
    settings: list[str] = []
    left_out: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if _COMMENT.match(line):
            continue
        try:
            key, setting = _checked(line)
        except ValueError as error:
            raise ValueError(f"process {path}, line {number}: {error}") from error
        (left_out if key.startswith(_LEFT_OUT) else settings).append(setting)
    if not settings:
        raise ValueError(f"process {path}: no process is switched on in it")
    name = f"{path.stem}-{_digest(settings)}"
    return Process(name, tuple(settings), left_out=tuple(left_out))


def _checked(line: str) -> tuple[str, str]:
    """Return the key of a setting in lower case, and the setting.

    Raises:
        ValueError: it is none, or it is refused.
    """
    found = _SETTING.match(line)
    if not found:
        raise ValueError(f"{line.strip()[:60]!r} is no setting such as 'HiggsSM:gg2H = on'")
    key, value = f"{found[1]}:{found[2]}", found[3]
    lower = key.lower()
    if lower.startswith(_LEFT_OUT) and _is_ours(lower, value):
        return lower, f"{key} = {value}"
    for prefix, reason in _REFUSED.items():
        if lower.startswith(prefix) and not lower.startswith(_NOT_HI):
            raise ValueError(f"{key} is refused: it {reason}")
    if lower.startswith("pdf:") and not re.fullmatch(r"\d+|on|off|true|false", value):
        raise ValueError(f"{key} = {value} is refused: it {_FILES}; take a number of Pythia's")
    return lower, f"{key} = {value}"


def _is_ours(key: str, value: str) -> bool:
    """Tell whether leaving a setting out changes no collision: not if it is of other beams."""
    try:
        return key not in _BEAMS or float(value) == _BEAMS[key]
    except ValueError:
        return False


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]
