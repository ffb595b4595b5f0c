import json
from datetime import datetime

import pytest
from optuna.distributions import CategoricalDistribution, distribution_to_json
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import TrialState

from commons.optuna_internals import JournalOperation
from hpo.storage import records
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


NEW_TRIAL = {
    "state": 1,
    "value": 0.5,
    "values": None,
    "datetime_complete": NOW,
    "distributions": {"x": GOOD["SET_TRIAL_PARAM"]["distribution"]},
    "params": {"x": 0},
    "user_attrs": {"a": 1},
    "system_attrs": {"a": 1},
    "intermediate_values": {"1": 0.5},
}
NONSENSE = [
    *(None, True, -1, 7, 10**400, 0.5, float("nan"), "", "a", "9999-12-31", "0001-01-01"),
    *(
        [],
        [None],
        ["a"],
        [[]],
        {},
        {"a": "b"},
        {"a": None},
        {"a": 1, "b": 2},
        {"1": "x"},
        {"1": []},
    ),
]


def replayed(wrong):
    """What a process of the installed Optuna has after it has replayed this record."""

    class Journal(BaseJournalBackend):
        def read_logs(self, log_number_from):
            before = record("CREATE_STUDY"), record("CREATE_TRIAL")
            return [*before, wrong][log_number_from:]

        def append_logs(self, logs):
            raise NotImplementedError

    storage = JournalStorage(Journal())
    return [trial for study in storage.get_all_studies() for trial in storage.get_all_trials(0)]


def test_a_new_trial_with_all_fields_is_taken():
    line = dump(record("CREATE_TRIAL", **NEW_TRIAL))
    assert parse(line)[0] == [json.loads(line)]


@pytest.mark.parametrize("name", GOOD)
def test_whatever_a_field_is_the_record_is_refused_or_harmless(name):
    fields = {**GOOD[name], **(NEW_TRIAL if name == "CREATE_TRIAL" else {})}
    refused = 0
    for field in fields:
        for nonsense in NONSENSE:
            wrong = json.loads(dump(record(name, **{**fields, field: nonsense})))
            if parse(dump(wrong))[0] == []:
                refused += 1
                continue
            for trial in replayed(wrong):  # what processes do with each trial
                numbers = [*(trial.values or []), *trial.intermediate_values.values()]
                assert len([*map(float, numbers)]) == len(numbers)
                names = [*trial.user_attrs, *trial.system_attrs, *trial.params]
                assert all(isinstance(name, str) for name in names)
                assert trial.last_step is None or trial.last_step >= -1
    assert refused >= 5 * len(fields)


def test_a_record_is_decided_alike_whatever_was_decided_before():
    hostile = [
        record("DELETE_STUDY", trial_id=0),
        record("CREATE_TRIAL", trial_id=0, state=1, datetime_complete=NOW),
        record("SET_TRIAL_STATE_VALUES"),
        record("CREATE_STUDY", study_name=""),
    ]
    wrong = dump(record("CREATE_TRIAL", datetime_complete=None))
    for line in map(dump, hostile):
        assert len(parse(line)[0]) == 1
        assert parse(wrong)[0] == []
        for name in GOOD:
            assert len(parse(dump(record(name)))[0]) == 1


@pytest.mark.parametrize(
    "choices",
    [
        '{"name": "CategoricalDistribution", "attributes": {"choices": ["a", "b"]}}',
        '{"name": "\\u0043ategoricalDistribution", "attributes": {"choices": ["a", "b"]}}',
    ],
)
def test_that_one_choice_is_known_says_nothing_about_another(choices):
    def line(index):
        return dump(record("SET_TRIAL_PARAM", param_value_internal=index, distribution=choices))

    for index in (0, 1, 1, 0):
        assert len(parse(line(index))[0]) == 1
    for index in (2, 7, float("nan")):
        assert parse(line(index))[0] == []


@pytest.mark.parametrize("state", range(6))
def test_what_is_usual_could_be_replayed(state, monkeypatch):
    """Where a record is taken without a trial run, the trial run takes it too."""
    tried = []
    real = records._can_be_replayed
    monkeypatch.setattr(records, "_can_be_replayed", lambda one: tried.append(one) or real(one))
    dates = [NOW, "", None, 7, "0001-01-01", "9999-12-31T23:59:59", "1950-01-01T00:00:00+00:00"]
    ticket = {key: {} for key in ("distributions", "params", "user_attrs", "system_attrs")}
    ticket |= {"intermediate_values": {}, "value": None, "values": None}
    n_taken = 0
    for date in dates:
        given = {"datetime_start": date, "datetime_complete": date}
        for one in (
            record("SET_TRIAL_STATE_VALUES", state=state, **given),
            {**record("CREATE_TRIAL", state=state, **ticket), "datetime_start": date},
            {**record("CREATE_TRIAL", state=state, **ticket, datetime_complete=date)},
        ):
            tried.clear()
            taken = parse(dump(one))[0] != []
            n_taken += taken and not tried
            assert real(one) or not taken
    assert n_taken > 0 or state == 5
