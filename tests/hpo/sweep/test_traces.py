"""What a command has created for a study that does not begin is gone, and no more than that."""

import optuna
import pytest
from optuna.trial import TrialState

from hpo.search.space import Space
from hpo.storage.opening import open_storage
from hpo.study.study import SweepSpec
from hpo.sweep.traces import Traces, withdraw


def test_only_empty_folders_that_are_new_are_removed(tmp_path):
    traces = Traces(tmp_path / "outputs/sweeps/s")
    (tmp_path / "outputs/sweeps/s").mkdir(parents=True)
    (tmp_path / "outputs/other").touch()
    traces.take_back()
    assert [path.name for path in tmp_path.rglob("*")] == ["outputs", "other"]
    Traces(tmp_path).take_back()
    assert tmp_path.exists()


@pytest.fixture
def spec(tmp_path):
    return SweepSpec(study_name="s", sweep_dir=tmp_path / "sweep", space=Space({}))


def made(spec):
    storage = open_storage(spec.storage, spec.sweep_dir)
    study = optuna.create_study(storage=storage, study_name=spec.study_name)
    study.enqueue_trial({})
    return study, storage, storage.get_study_id_from_name(spec.study_name)


def test_a_study_that_nobody_has_begun_is_withdrawn_with_its_journal(spec, tmp_path):
    traces = Traces(spec.sweep_dir)
    _, storage, study_id = made(spec)
    assert withdraw(spec, storage, study_id)
    traces.take_back()
    assert list(tmp_path.iterdir()) == []


def test_a_study_beside_another_is_withdrawn_alone(spec):
    _, storage, study_id = made(spec)
    optuna.create_study(storage=storage, study_name="other")
    assert withdraw(spec, storage, study_id)
    assert [s.study_name for s in storage.get_all_studies()] == ["other"]


@pytest.mark.parametrize("begin", ["claim", "launch"])
def test_a_study_that_others_have_begun_stays(spec, begin):
    study, storage, study_id = made(spec)
    if begin == "claim":
        storage.set_trial_state_values(study.trials[0]._trial_id, TrialState.RUNNING)
    else:
        study.set_user_attr("hpo:launch:x", {"job": "7"})
    assert not withdraw(spec, storage, study_id)
    assert storage.get_study_id_from_name("s") == study_id
