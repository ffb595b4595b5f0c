from dataclasses import replace

import optuna
from optuna.trial import TrialState, create_trial

from hpo.reporting.front import draw_front, write_front
from hpo.reporting.subject import read_subject


def subject_of(n_objectives):
    study = optuna.create_study(study_name="s", directions=["minimize"] * n_objectives)
    for number in range(4):
        values = [float(number), float(-number), float(number % 2)][:n_objectives]
        study.add_trial(create_trial(state=TrialState.COMPLETE, values=values))
    return read_subject(study._storage, study._study_id)


def test_one_objective_has_no_front_and_writes_nothing(tmp_path):
    assert write_front(subject_of(1), tmp_path) == []
    assert [*tmp_path.iterdir()] == []


def test_two_and_three_objectives_are_drawn_by_pairs(tmp_path):
    for n in (2, 3):
        path = draw_front(subject_of(n), tmp_path / f"{n}.png")
        assert path.read_bytes()[:4] == b"\x89PNG"


def test_each_trial_of_the_front_is_a_configuration_and_old_ones_go(tmp_path):
    subject = subject_of(2)
    app = {"config_name": "app", "searchpath": [], "groups": []}
    for trial in subject.trials:
        trial.user_attrs["run"] = {"overrides": [f"x={trial.number}"]}
    subject = replace(subject, attributes={"hpo:app": app})
    (tmp_path / "front").mkdir()
    (tmp_path / "front/0099.yaml").touch()
    assert len(write_front(subject, tmp_path)) == 4
    names = sorted(path.name for path in (tmp_path / "front").iterdir())
    assert names == ["0000.yaml", "0001.yaml", "0002.yaml", "0003.yaml"]
    text = (tmp_path / "front/0002.yaml").read_text()
    assert text.startswith("# Trial 2 of study s: value_0 2, value_1 -2.")
    assert "x: 2" in text
