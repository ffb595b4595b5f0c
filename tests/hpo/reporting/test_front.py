from dataclasses import replace

import optuna
from optuna.trial import create_trial

from hpo.attributes import BEST
from hpo.reporting.front import draw_front, front_table, write_front
from hpo.reporting.subject import read_subject


def subject_of(n_objectives):
    study = optuna.create_study(study_name="s", directions=["minimize"] * n_objectives)
    for number in range(4):
        values = [float(number), float(-number), float(number % 2)][:n_objectives]
        study.add_trial(create_trial(values=values))
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


def mixed():
    """Two trials on the front, of which weights make the second the best; two that are not."""
    study = optuna.create_study(study_name="s", directions=["minimize", "maximize"])
    study.set_user_attr(BEST, [1.0, 5.0])
    for values, excess in (([1, 1], -1), ([2, 9], -1), ([3, 8], 0), ([0, 99], 1)):
        figures = {"figures": {"gb": 3.0}, "run": {"overrides": []}}
        bound = {"constraints:gb": excess}
        study.add_trial(create_trial(values=values, user_attrs=figures, system_attrs=bound))
    return read_subject(study._storage, study._study_id)


def test_feasible_infeasible_and_dominated_trials_are_told_apart_and_the_best_is_named(
    axes, tmp_path
):
    draw_front(mixed(), tmp_path / "f.png")
    handles, labels = axes[0].get_legend_handles_labels()
    assert labels == ["1 infeasible", "1 dominated", "2 on the front"]
    points = [[*zip(*line.get_data(), strict=True)] for line in handles]
    assert points == [[(0, 99)], [(3, 8)], [(1, 1), (2, 9)]]
    assert [text.get_text() for text in axes[0].texts] == ["0", "best: trial 1"]
    assert axes[0].get_xlabel() == "value_0 (smaller is better)"
    assert axes[0].get_ylabel() == "value_1 (larger is better)"


def test_the_table_of_the_front_says_which_trial_is_the_best_and_why(tmp_path):
    html = front_table(mixed())
    rule = "1 value_0 + 5 value_1, each scaled to 0..1 on the front"
    assert f"one of these 2. Trial 1 is the best by {rule}." in html
    rows = html.partition("<tbody>")[2].split("<tr>")[1:]
    assert [row.partition("</td>")[0].rpartition(">")[2] for row in rows] == ["0", "1"]
    assert ">gb</button>" in html
    assert front_table(subject_of(1)) == ""
