"""The records of an Optuna journal: which lines are whole, and what is left of damaged ones.

A line is one operation in JSON. A writer that dies, a full disk or a crashed node may leave a part
of a record, with the next record after it in the same line, or NUL bytes. Every decision here
depends on the bytes of the line only, so all processes decide alike.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from optuna.trial import TrialState

from commons.optuna_internals import JournalOperation, Rehearsal

Record = dict[str, Any]
MARKER = b'{"op_code":'
_decoder = json.JSONDecoder()
_scan: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once  # type: ignore[attr-defined]
_rehearsal = Rehearsal()


def parse(line: bytes) -> tuple[list[Record], list[bytes]]:
    r"""Return the whole records of a line, in order, and the pieces that are not records.

    An undamaged line has one record and no piece.

    >>> parse(b'{"op_code":1,"worker_id":"w","study_id":0}\n')
    ([{'op_code': 1, 'worker_id': 'w', 'study_id': 0}], [])
    >>> parse(b'{"op_code":7,"wor{"op_code":1,"worker_id":"w","study_id":0}\n')
    ([{'op_code': 1, 'worker_id': 'w', 'study_id': 0}], [b'{"op_code":7,"wor'])
    """
    record = _record(line)
    return ([record], []) if record is not None else _salvage(line)


def describe(piece: bytes, numbers: Mapping[int, int]) -> str:
    """Return what is known about a lost record, from a piece that `parse` returned.

    `numbers` has the numbers of trials in their studies by Optuna's id; an unknown id is shown.

    >>> describe(b'{"op_code":7,"worker_id":"w","trial_id":7,"step":3,"interm', {})
    'value of trial 7 at step 3'
    """
    text = piece.decode("latin-1")
    code = _found(r'\{"op_code":(\d+),', text)
    if code is None:
        nuls = piece.count(b"\0")
        if nuls == len(piece.strip()):
            return f"{nuls} NUL bytes" if nuls else "an empty line"
        return "a record of unknown kind" if piece.startswith(b"{") else "bytes of no record"
    trial_id = _found(r'"trial_id":(\d+)[,}]', text)
    number = None if trial_id is None else numbers.get(int(trial_id), int(trial_id))
    trial = "an unknown trial" if number is None else f"trial {number}"
    study = _found(r'"study_name":"([^"]*)"', text) or "of unknown name"
    parameter = _found(r'"param_name":"([^"]*)"', text) or "unknown"
    key = _found(r'_attr":\{"([^"\\]*)"', text) or "unknown"
    step = _found(r'"step":(-?\d+),', text)
    state = _found(r'"state":(\d+)[,}]', text)
    name = _STATES.get(int(state)) if state is not None else None
    kinds = {
        0: f"creation of study {study}",
        1: "deletion of a study",
        2: f"attribute {key} of a study",
        3: f"system attribute {key} of a study",
        4: "creation of a trial",
        5: f"parameter {parameter} of {trial}",
        6: f"new state of {trial}" + (f" ({name})" if name else ""),
        7: f"value of {trial}" + (f" at step {step}" if step else ""),
        8: f"attribute {key} of {trial}",
        9: f"system attribute {key} of {trial}",
    }
    return kinds.get(int(code), f"operation {code}")


def dump(record: Record) -> bytes:
    """Return the line of a record, as Optuna writes it."""
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _found(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text)
    return match[1] if match else None


def _record(line: bytes) -> Record | None:
    try:
        text = line.decode()
        record, end = _scan(text, 0) if text.startswith("{") else (None, 0)
        if text[end:] != "\n":  # white space around it, or none after it
            record = json.loads(text)
    except (ValueError, RecursionError, StopIteration):
        return None
    return record if _is_operation(record) else None


def _salvage(line: bytes) -> tuple[list[Record], list[bytes]]:
    text = line.decode("latin-1")  # a character per byte, whatever the bytes are
    records: list[Record] = []
    pieces: list[bytes] = []
    gap = position = 0  # no record between the gap and the position
    while (begin := text.find(MARKER.decode(), position)) >= 0:
        try:
            _, position = _decoder.raw_decode(text, begin)
        except (ValueError, RecursionError):
            position = begin + 1
            continue
        record = _record(line[begin:position])
        if record is not None:
            pieces += _pieces(line[gap:begin])
            records.append(record)
            gap = position
    return records, pieces + _pieces(line[gap:], blank=not (records or gap))


def _pieces(gap: bytes, blank: bool = False) -> list[bytes]:
    """Split where records begin; white space is a piece only if it is the whole line."""
    pieces = [piece for piece in re.split(rb'(?=\{"op_code":)', gap) if piece.strip()]
    return pieces or ([gap] if blank else [])


def _is_operation(record: Any) -> bool:
    """Return whether Optuna can replay the record; one that it cannot stops every process."""
    if not isinstance(record, dict) or type(code := record.get("op_code")) is not int:
        return False
    if code not in _CHECKS:
        return False
    for key, check in _CHECKS[code]:
        if key not in record or not check(record[key]):
            return False
    is_usual = _USUAL.get(code)
    return is_usual is True or (is_usual and is_usual(record)) or _can_be_replayed(record)


def _can_be_replayed(record: Record) -> bool:
    """Try it on a throw-away journal, with ids that exist there: Optuna ignores unknown ones."""
    tried = record | dict.fromkeys(record.keys() & {"study_id", "trial_id"}, 0)
    try:
        _rehearsal.play(tried)
    except Exception:  # noqa: BLE001 - whatever Optuna raises
        return False
    is_new = record["op_code"] == JournalOperation.CREATE_TRIAL
    return not is_new or all(
        check(record[key]) for key, check in _OF_NEW_TRIAL.items() if key in record
    )


def _is_usual_parameter(record: Record) -> bool:
    """Tell whether another value of the same distribution has been tried; remember it if not."""
    distribution, value = record.get("distribution"), record["param_value_internal"]
    if not isinstance(distribution, str) or "\\" in distribution or not math.isfinite(value):
        return False
    # Of a categorical one, whose name no escape sequence hides, each index is tried.
    key = distribution, value if "Categorical" in distribution else None
    if key not in _tried and _can_be_replayed(record) and len(_tried) < _MOST_TRIED:
        _tried.add(key)
    return key in _tried


def _is_usual_state(record: Record) -> bool:
    state = record["state"]
    if state not in _STATES:
        return False
    if state == TrialState.WAITING.value:
        return True
    date = "datetime_start" if state == TrialState.RUNNING.value else "datetime_complete"
    try:
        return _FIRST_YEAR < datetime.fromisoformat(record[date]).year < _LAST_YEAR
    except (KeyError, ValueError, TypeError):
        return False


def _is_ticket(record: Record) -> bool:
    """Tell whether it creates a trial as `hpo.study.tickets` does."""
    return (
        record.keys() == _TICKET_KEYS
        and all(record[key] == value for key, value in _TICKET.items())
        and all(record[key] == {} for key in _EMPTY)
        and type(record["state"]) is int
    )


def _is_int(value: Any) -> bool:
    return type(value) is int


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < 1 << 64)


def _is_attribute(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _are_values(value: Any) -> bool:
    return value is None or (_is_list(value) and all(map(_is_number, value)))


_STATES = {state.value: state.name for state in TrialState}
# What Optuna takes without a look and others stumble over.
_FIELDS: dict[int, dict[str, Callable[[Any], bool]]] = {
    JournalOperation.CREATE_STUDY: {"study_name": _is_text, "directions": _is_list},
    JournalOperation.DELETE_STUDY: {"study_id": _is_int},
    JournalOperation.SET_STUDY_USER_ATTR: {"study_id": _is_int, "user_attr": _is_attribute},
    JournalOperation.SET_STUDY_SYSTEM_ATTR: {"study_id": _is_int, "system_attr": _is_attribute},
    JournalOperation.CREATE_TRIAL: {"study_id": _is_int},
    JournalOperation.SET_TRIAL_PARAM: {
        "trial_id": _is_int,
        "param_name": _is_text,
        "param_value_internal": _is_number,
    },
    JournalOperation.SET_TRIAL_STATE_VALUES: {
        "trial_id": _is_int,
        "state": _is_int,
        "values": _are_values,
    },
    JournalOperation.SET_TRIAL_INTERMEDIATE_VALUE: {
        "trial_id": _is_int,
        "step": _is_int,
        "intermediate_value": _is_number,
    },
    JournalOperation.SET_TRIAL_USER_ATTR: {"trial_id": _is_int, "user_attr": _is_attribute},
    JournalOperation.SET_TRIAL_SYSTEM_ATTR: {"trial_id": _is_int, "system_attr": _is_attribute},
}
_CHECKS: dict[int, list[tuple[str, Callable[[Any], bool]]]] = {
    int(operation): [("worker_id", _is_text), *_FIELDS.get(operation, {}).items()]
    for operation in JournalOperation
}
# Further fields that a new trial may have.
_OF_NEW_TRIAL: dict[str, Callable[[Any], bool]] = {
    "state": _is_int,
    "value": lambda value: value is None or _is_number(value),
    "values": _are_values,
    "user_attrs": _is_mapping,
    "system_attrs": _is_mapping,
    "intermediate_values": lambda value: all(map(_is_number, value.values())),
}
# Nearly all records: their replay cannot fail once the types are right (True) or a quick look
# finds nothing unusual, so it is not tried.
_USUAL: dict[int, Literal[True] | Callable[[Record], bool]] = {
    JournalOperation.SET_STUDY_USER_ATTR: True,
    JournalOperation.SET_STUDY_SYSTEM_ATTR: True,
    JournalOperation.SET_TRIAL_INTERMEDIATE_VALUE: True,
    JournalOperation.SET_TRIAL_USER_ATTR: True,
    JournalOperation.SET_TRIAL_SYSTEM_ATTR: True,
    JournalOperation.SET_TRIAL_PARAM: _is_usual_parameter,
    JournalOperation.SET_TRIAL_STATE_VALUES: _is_usual_state,
    JournalOperation.CREATE_TRIAL: _is_ticket,
}
_TICKET = {
    "state": TrialState.WAITING.value,
    "datetime_start": None,
    "value": None,
    "values": None,
}
_EMPTY = ("distributions", "params", "user_attrs", "system_attrs", "intermediate_values")
_TICKET_KEYS = {"op_code", "worker_id", "study_id", *_TICKET, *_EMPTY}
_tried: set[tuple[str, Any]] = set()  # distributions of parameters, with the index of a choice
_MOST_TRIED = 10_000
_FIRST_YEAR, _LAST_YEAR = 1900, 9000  # of others the time zone may not be computed
