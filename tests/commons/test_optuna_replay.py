"""Our replay of a journal is Optuna's: the same trials, the same errors, fewer copies."""

import json
import random

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, distribution_to_json
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages.journal._storage import JournalStorageReplayResult
from optuna.trial import TrialState

from commons.optuna_replay import QuickReplay
from hpo.storage.opening import open_storage
from hpo.storage.records import dump, parse

NOW = "2026-01-01T00:00:00+00:00"
DISTRIBUTIONS = [
    FloatDistribution(0, 1),
    FloatDistribution(0, 2),
    FloatDistribution(0.5, 1, log=True),
    CategoricalDistribution(["a", "b"]),
    CategoricalDistribution(["a", "c"]),
]
TEXTS = [*map(distribution_to_json, DISTRIBUTIONS)]


def any_record(draw):
    """A record about one of two studies, of which one may be deleted, and of six trials."""
    place = {"trial_id": draw.randrange(6)}
    key = draw.choice("ab")
    state = draw.choice([*TrialState])
    kinds = [
        {"op_code": 0, "study_name": key, "directions": [1]},
        {"op_code": 1, "study_id": 1} if draw.random() < 0.02 else {"op_code": 1, "study_id": 7},
        {"op_code": 2, "study_id": draw.randrange(3), "user_attr": {key: draw.random()}},
        {"op_code": 3, "study_id": draw.randrange(3), "system_attr": {key: draw.random()}},
        {"op_code": 4, "study_id": draw.randrange(2), "datetime_start": NOW},
        {
            "op_code": 4,
            "study_id": 0,
            "datetime_start": None,
            "state": 4,
            "user_attrs": {key: 1},
            "params": {"x": 1},
            "distributions": {"x": TEXTS[3]},
        },
        *[
            {
                "op_code": 5,
                **place,
                "param_name": draw.choice("xy"),
                "param_value_internal": draw.choice([0, 1]),
                "distribution": text,
            }
            for text in draw.choices(TEXTS, k=3)
        ],
        {
            "op_code": 6,
            **place,
            "state": int(state),
            "values": draw.choice([None, [0.5]]),
            "datetime_start": NOW,
            "datetime_complete": NOW,
        },
        *[{"op_code": 7, **place, "step": i, "intermediate_value": draw.random()} for i in (1, 2)],
        {"op_code": 8, **place, "user_attr": {key: draw.random()}},
        {"op_code": 9, **place, "system_attr": {key: draw.random()}},
    ]
    return {"worker_id": "w-other", **draw.choice(kinds)}


def content(replay):
    return {k: v for k, v in vars(replay).items() if k not in ("_fresh", "_changed")}


@pytest.mark.parametrize("seed", range(40))
def test_any_records_in_any_portions_give_what_optuna_has(seed):
    draw = random.Random(seed)
    optunas, ours, position = JournalStorageReplayResult("w-"), QuickReplay("w-"), 0
    known, returned, n_changed = {}, [], 0
    for _ in range(30):
        records = [any_record(draw) for _ in range(draw.randrange(20))]
        records = [record for one in records for record in parse(dump(one))[0]]
        optunas.apply_logs(json.loads(json.dumps(records)))
        ours.apply_logs(records)
        assert content(ours) == content(optunas)
        for trial, was in returned:
            assert repr(trial) == was
        returned = [(trial, repr(trial)) for trial in ours._trials.values()]
        for study_id in ours._studies:
            for trial in ours.changed_trials(study_id, position):
                known[study_id, trial.number] = trial
                n_changed += 1
        position = ours.log_number_read
        for study_id in ours._studies:
            trials = ours.get_all_trials(study_id, None)
            assert all(known[study_id, trial.number] is trial for trial in trials)
    assert n_changed < 30 * len(ours._trials) or not ours._trials


def test_only_trials_that_have_changed_are_told(tmp_path):
    storage = open_storage(None, tmp_path, patience_s=1)
    study = optuna.create_study(storage=storage)
    trials = [study.ask() for _ in range(3)]
    position, told = storage.changed_trials(study._study_id, 0)
    assert [trial.number for trial in told] == [0, 1, 2]
    assert storage.changed_trials(study._study_id, position) == (position, [])
    trials[2].report(0.5, 1)
    trials[0].report(0.5, 1)
    trials[2].report(0.5, 2)
    position, told = storage.changed_trials(study._study_id, position)
    assert [(t.number, len(t.intermediate_values)) for t in told] == [(0, 1), (2, 2)]
    with pytest.raises(KeyError):
        storage.changed_trials(7, position)


def test_a_storage_that_does_not_know_changes_says_so(tmp_path):
    assert open_storage(f"sqlite:///{tmp_path}/s.db", tmp_path, 1).changed_trials is None


def test_records_of_this_worker_that_do_not_fit_are_errors():
    replay = QuickReplay("w-")
    own = {"worker_id": replay.worker_id, "trial_id": 0}
    param = {**own, "op_code": 5, "param_name": "x", "param_value_internal": 0}
    before = [
        {"op_code": 0, "worker_id": "w", "study_name": "s", "directions": [1]},
        {"op_code": 4, "worker_id": "w", "study_id": 0, "datetime_start": NOW},
        {**param, "distribution": TEXTS[3]},
    ]
    replay.apply_logs(before)
    with pytest.raises(ValueError, match="does not support dynamic value space"):
        replay.apply_logs([{**param, "distribution": TEXTS[4]}])
    end = {**own, "op_code": 6, "state": 1, "values": [1.0], "datetime_complete": NOW}
    replay.apply_logs([end])
    with pytest.raises(UpdateFinishedTrialError):
        replay.apply_logs([{**own, "op_code": 7, "step": 1, "intermediate_value": 1.0}])
    with pytest.raises(KeyError):
        replay.apply_logs([{**own, "trial_id": 9, "op_code": 8, "user_attr": {"a": 1}}])
    assert replay.log_number_read == 7
    assert [trial.params for trial in replay.changed_trials(0, 0)] == [{"x": "a"}]
    assert replay.changed_trials(0, 5) == []


def test_trials_share_one_object_of_equal_distributions(tmp_path):
    study = optuna.create_study(storage=open_storage(None, tmp_path))
    for _ in range(2):
        study.ask({"x": FloatDistribution(0, 1)})
    one, other = study.get_trials(deepcopy=False)
    assert one.distributions["x"] is other.distributions["x"]
