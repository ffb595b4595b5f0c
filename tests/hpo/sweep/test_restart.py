"""A study begins anew, and the old one is kept beside."""

import os
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import optuna
import pytest
from optuna.trial import TrialState

from commons.optuna_internals import storage_of
from commons.processes import this_host
from hpo.attributes import LAUNCH, LEASE, STUDY_ID
from hpo.search.space import parse_space
from hpo.settings import SettingError
from hpo.storage.folders import StudyFolder, owner_of
from hpo.study.portions import study_lock
from hpo.study.study import SweepSpec, existing_study, open_study
from hpo.sweep.restart import begin_anew


def spec(folder, **changes):
    space = parse_space({"x": "interval(0, 1)"}, [])
    settings = {
        "study_name": "s",
        "restart": "s",
        "n_trials": 2,
        "patience_s": 0,
        "sweep_dir": folder / "s",
    }
    return SweepSpec(**{**settings, "space": space, **changes})


def begun(spec):
    """The study of a sweep with one finished trial."""
    with study_lock(spec.sweep_dir) as lock:
        study = open_study(spec, spec.open_storage(), lock)
    trial = study.ask()
    trial.set_user_attr("mark", "kept")
    study.tell(trial, 0.5)
    home = StudyFolder(spec.sweep_dir, spec.study_name, study.user_attrs[STUDY_ID])
    (home.take(trial.number) / "last.ckpt").touch()
    return study


def names(storage):
    return sorted(study.study_name for study in storage.get_all_studies())


def test_a_folder_with_its_journal_is_renamed_and_the_next_study_is_another(tmp_path):
    for number in (1, 2):
        study_id = begun(spec(tmp_path)).user_attrs[STUDY_ID]
        begin_anew(spec(tmp_path), None)
        assert not (tmp_path / "s").exists()
        kept = spec(tmp_path, sweep_dir=tmp_path / f"s.{number}")
        assert existing_study(kept).user_attrs[STUDY_ID] == study_id
        assert (kept.sweep_dir / "trials/0000/last.ckpt").exists()
    assert existing_study(spec(tmp_path)) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.1", "s.2"]


@pytest.mark.parametrize("kind", ["{}/shared.log", "sqlite:///{}/shared.db"])
def test_in_a_storage_elsewhere_the_study_gets_another_name(tmp_path, kind):
    url = kind.format(tmp_path)
    study = begun(spec(tmp_path, storage=url))
    other = begun(spec(tmp_path, storage=url, study_name="t", sweep_dir=tmp_path / "t"))
    before = study.get_trials()
    begin_anew(spec(tmp_path, storage=url), None)
    storage = storage_of(other)
    assert names(storage) == ["s.1", "t"]
    kept = optuna.load_study(study_name="s.1", storage=storage)
    assert [(t.state, t.values, t.params, t.user_attrs) for t in kept.get_trials()] == [
        (t.state, t.values, t.params, t.user_attrs) for t in before
    ]
    assert owner_of(tmp_path / "s.1").study_id == kept.user_attrs[STUDY_ID]
    begun(spec(tmp_path, storage=url))  # and anew under the old name
    assert names(storage) == ["s", "s.1", "t"]


def test_a_folder_left_behind_by_a_deleted_study_is_put_aside(tmp_path):
    begun(spec(tmp_path))
    (tmp_path / "s/journal.log").unlink()
    begin_anew(spec(tmp_path), None)
    assert [path.name for path in tmp_path.iterdir()] == ["s.1"]


def test_where_there_is_nothing_nothing_is_done(tmp_path):
    begin_anew(spec(tmp_path), None)
    assert list(tmp_path.iterdir()) == []


def at_work(study, **lease):
    trial = study.ask()
    storage_of(study).set_trial_system_attr(trial._trial_id, LEASE, {"id": "x", **lease})


def test_a_study_with_living_workers_is_left_alone(tmp_path):
    at_work(begun(spec(tmp_path)), host=this_host(), pid=os.getpid())
    with pytest.raises(SettingError, match=r"study 's' is at work \(trial 1\); stop that first"):
        begin_anew(spec(tmp_path), None)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_trial_without_signs_of_life_does_not_keep_its_study(tmp_path):
    at_work(begun(spec(tmp_path)), host="elsewhere", pid=1)
    begin_anew(spec(tmp_path, lease_s=0.01), None)
    assert [path.name for path in tmp_path.iterdir()] == ["s.1"]


@pytest.mark.parametrize(
    ("queue", "is_at_work"), [({"4711": []}, True), (None, True), ({}, False)]
)
def test_a_study_with_jobs_in_the_queue_is_left_alone(tmp_path, queue, is_at_work):
    site = SimpleNamespace(queue=lambda: queue)

    study = begun(spec(tmp_path))
    study.set_user_attr(f"{LAUNCH}a", {"job": "4711", "workers": 1})
    refused = pytest.raises(SettingError, match=r"is at work \(SLURM job 4711")
    with refused if is_at_work else nullcontext():
        begin_anew(spec(tmp_path), site)
    assert (tmp_path / "s").exists() == is_at_work


@pytest.mark.parametrize(
    ("restart", "rule"),
    [
        (True, r"^restart=true asks in a terminal, and there is none: write restart=s$"),
        ("other", r"^restart=other: the study is 's'; "),
    ],
)
def test_without_a_terminal_the_name_of_the_study_confirms(tmp_path, restart, rule):
    begun(spec(tmp_path))
    with pytest.raises(SettingError, match=rule):
        begin_anew(spec(tmp_path, restart=restart), None)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize(("answer", "is_kept"), [("y", False), ("", True), ("no", True)])
def test_in_a_terminal_it_is_asked(tmp_path, monkeypatch, answer, is_kept):
    asked = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or answer)
    begun(spec(tmp_path))
    refused = pytest.raises(SettingError, match="not confirmed; nothing is changed")
    with refused if is_kept else nullcontext():
        begin_anew(spec(tmp_path, restart=True), None)
    assert (tmp_path / "s").exists() == is_kept
    assert "1 finished trials stay beside" in asked[0]


def test_the_folder_of_another_study_is_not_put_aside(tmp_path):
    begun(spec(tmp_path, study_name="t"))
    with pytest.raises(SettingError, match="belongs to study 't'"):
        begin_anew(spec(tmp_path), None)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_command_inside_of_the_folder_cannot_rename_it(tmp_path, monkeypatch):
    begun(spec(tmp_path))
    monkeypatch.chdir(tmp_path / "s/trials")
    with pytest.raises(SettingError, match="the command runs inside of it"):
        begin_anew(spec(tmp_path), None)


def test_waiting_trials_are_kept_too(tmp_path):
    url = f"sqlite:///{tmp_path}/shared.db"
    study = begun(spec(tmp_path, storage=url))
    begin_anew(spec(tmp_path, storage=url), None)
    kept = optuna.load_study(study_name="s.1", storage=storage_of(study))
    assert [trial.state for trial in kept.trials] == [TrialState.COMPLETE, TrialState.WAITING]
