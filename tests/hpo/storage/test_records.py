import json
from datetime import datetime

import pytest
from optuna.distributions import CategoricalDistribution, distribution_to_json
from optuna.trial import TrialState

from commons.optuna_internals import JournalOperation
from hpo.storage.records import describe, dump, parse

VALUE = {"op_code": 7, "worker_id": "w", "trial_id": 0, "step": 1, "intermediate_value": 0.5}
CUT = b'{"op_code":7,"worker_id":"w","trial_id":7,"step":3,"interme'
NOW = datetime(2026, 1, 1).isoformat()
GOOD = {
    "CREATE_STUDY": {"study_name": "s", "directions": [1]},
    "DELETE_STUDY": {"study_id": 0},
    "SET_STUDY_USER_ATTR": {"study_id": 0, "user_attr": {"a": 1}},
    "SET_STUDY_SYSTEM_ATTR": {"study_id": 0, "system_attr": {"a": 1}},
    "CREATE_TRIAL": {"study_id": 0, "datetime_start": NOW},
    "SET_TRIAL_PARAM": {
        "trial_id": 0,
        "param_name": "x",
        "param_value_internal": 0,
        "distribution": distribution_to_json(CategoricalDistribution(["a"])),
    },
    "SET_TRIAL_STATE_VALUES": {
        "trial_id": 0,
        "state": TrialState.COMPLETE,
        "values": [0.5],
        "datetime_complete": NOW,
    },
    "SET_TRIAL_INTERMEDIATE_VALUE": {"trial_id": 0, "step": 1, "intermediate_value": 0.5},
    "SET_TRIAL_USER_ATTR": {"trial_id": 0, "user_attr": {"a": 1}},
    "SET_TRIAL_SYSTEM_ATTR": {"trial_id": 0, "system_attr": {"a": 1}},
}


def record(name, **changes):
    return {"op_code": int(JournalOperation[name]), "worker_id": "w", **GOOD[name], **changes}


def test_every_operation_of_optuna_has_an_example_here():
    ignored = {"DISCARD_TRIALS"}  # by Optuna's journal, whatever it says
    assert {operation.name for operation in JournalOperation} == set(GOOD) | ignored


@pytest.mark.parametrize("name", GOOD)
def test_a_whole_record_is_taken_as_it_is(name):
    line = dump(record(name))
    assert line.endswith(b"}\n")
    assert parse(line) == ([json.loads(line)], [])


@pytest.mark.parametrize("name", GOOD)
def test_a_record_without_one_of_its_fields_is_none(name):
    for field in GOOD[name]:
        whole = record(name)
        del whole[field]
        assert parse(dump(whole)) == ([], [dump(whole)]), field


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("wrong", [[], {}, "nonsense", True])
def test_a_record_with_a_field_of_another_type_is_none(name, wrong):
    for field, good in GOOD[name].items():
        if type(good) is not type(wrong) and good != wrong:
            assert parse(dump(record(name, **{field: wrong})))[0] == [], field


@pytest.mark.parametrize(
    ("line", "steps", "pieces"),
    [
        (CUT + dump(VALUE), [1], [CUT]),
        (dump(VALUE)[:-1] + dump({**VALUE, "step": 2}), [1, 2], []),
        (dump(VALUE)[:-1] + CUT + b"\n", [1], [CUT + b"\n"]),
        (b"\0\0" + dump(VALUE), [1], [b"\0\0"]),
        (b"\n", [], [b"\n"]),
        (CUT + CUT + b"\n", [], [CUT, CUT + b"\n"]),
    ],
)
def test_whole_records_and_pieces_of_a_damaged_line(line, steps, pieces):
    found, rest = parse(line)
    assert [each["step"] for each in found] == steps
    assert rest == pieces


@pytest.mark.parametrize(
    ("piece", "text"),
    [
        (CUT, "value of trial 70 at step 3"),
        (b'{"op_code":7,"trial_id":8}', "value of trial 8"),
        (b'{"op_code":6,"trial_id":7,"state":1,', "new state of trial 70 (COMPLETE)"),
        (b'{"op_code":0,"study_name":"s","dir', "creation of study s"),
        (b'{"op_code":2,"study_id":0,"user_attr":{"key":1', "attribute key of a study"),
        (b'{"op_code":5,"trial_id":7,"param_name":"lr",', "parameter lr of trial 70"),
        (b'{"op_code":99,', "operation 99"),
        (b"\0\0\0\n", "3 NUL bytes"),
        (b"\n", "an empty line"),
        (b"{", "a record of unknown kind"),
        (b"noise", "bytes of no record"),
    ],
)
def test_a_piece_is_described_as_far_as_it_tells(piece, text):
    assert describe(piece, {7: 70}) == text
