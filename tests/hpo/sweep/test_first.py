"""`hpo.enqueue` in whole sweeps."""

import json

import pytest
from optuna.trial import TrialState

ENQUEUE = "hydra.sweeper.enqueue="


def test_the_default_is_trial_0_and_the_command_the_table_and_the_summary_compare_it(
    toy, study, tmp_path
):
    code, printed = toy("-m", f"{ENQUEUE}[default,{{x: 0.25}}]", "hydra.sweeper.sampler.seed=3")
    assert code == 0
    trials = study().trials
    assert [trial.params["x"] for trial in trials[:2]] == [0.0, 0.25]
    assert [trial.user_attrs.get("enqueued") for trial in trials[:3]] == ["default", "given", None]
    assert printed.count("default 0.333333 (trial 0) is the best") == 2
    summary = json.loads((tmp_path / "sweep/summary.json").read_text())
    assert summary["default"]["values"][0]["value"] == pytest.approx(1 / 3)
    assert summary["default"]["is_best"]


def test_a_default_that_is_no_choice_is_told_and_the_sweep_goes_on(toy, study):
    code, printed = toy("-m", f"{ENQUEUE}[default]", "x=choice(0.9,0.1)")
    assert code == 0
    told = "the default is not among the trials: x = 0.0 is not among its choices [0.9, 0.1]"
    assert told in printed
    assert not any("enqueued" in trial.user_attrs for trial in study().trials)


def test_the_same_command_again_enqueues_nothing_more(toy, study):
    enqueue = f"{ENQUEUE}[default,{{x: 0.25}}]"
    toy("-m", enqueue, "hydra.sweeper.n_trials=3")
    toy("-m", enqueue, "hydra.sweeper.n_trials=5")
    marked = [t.number for t in study().trials if "enqueued" in t.user_attrs]
    assert marked == [0, 1]
    assert [t.state for t in study().trials] == [TrialState.COMPLETE] * 5


def test_the_best_of_one_sweep_begins_another(toy, study, tmp_path):
    toy("-m")
    best = tmp_path / "sweep/best.yaml"
    code, _ = toy(
        "-m", f"{ENQUEUE}[{best}]", "hydra.sweep.dir=second", "hydra.sweeper.sampler.seed=9"
    )
    assert code == 0
    assert study(folder="second").trials[0].params == study().best_trial.params


def test_the_best_of_an_old_study_are_trained_first_and_once(toy, study):
    toy("-m", "hydra.sweep.dir=old", "hydra.sweeper.n_trials=5")
    old = study(folder="old").trials
    old.sort(key=lambda trial: trial.value)
    begin = ("-m", f"{ENQUEUE}[default,old]", "hydra.sweeper.sampler.seed=9")
    assert toy(*begin, "hydra.sweeper.n_trials=5")[0] == 0
    assert toy(*begin, "hydra.sweeper.n_trials=6")[0] == 0
    trials = study().trials
    assert [t.params for t in trials[1:4]] == [t.params for t in old[:3]]
    marks = [trial.user_attrs.get("enqueued") for trial in trials]
    assert marks == ["default", "old", "old", "old", None, None]
    assert [t.state for t in trials] == [TrialState.COMPLETE] * 6
    assert [t.value for t in trials[1:4]] == [t.value for t in old[:3]]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{x: 3}", "hydra.sweeper.enqueue: x = 3 lies outside of the search space"),
        ("{z: 3}", "hydra.sweeper.enqueue: z is not searched"),
        ("none", "hydra.sweeper.enqueue: none: no such journal file"),
        ("none.yaml", "hydra.sweeper.enqueue: none.yaml: No such file or directory"),
        ("default,{x: 1},{x: .1},{x: .2},{x: .3}", "hydra.sweeper.enqueue: 5 points, but "),
    ],
)
def test_what_cannot_be_enqueued_is_one_line_before_the_study_is_made(toy, tmp_path, entry, told):
    code, printed = toy("-m", f"{ENQUEUE}[{entry}]")
    assert code == 2
    assert printed.count("\n") == 1
    assert told in printed
    assert not (tmp_path / "sweep").exists()


def test_a_default_outside_of_the_range_runs_all_the_same(toy, study):
    code, printed = toy("-m", f"{ENQUEUE}[default]", "x=interval(0.5,1)")
    assert code == 0
    assert (
        "the default of x, 0.0, lies outside of the search space; it runs all the same" in printed
    )
    assert study().trials[0].params == {"x": 0.0}
    assert all(trial.params["x"] >= 0.5 for trial in study().trials[1:])


def test_keys_of_a_custom_search_space_have_their_default_too(toy, study, tmp_path, monkeypatch):
    extend = "def extend(cfg, trial):\n    trial.suggest_float('epoch_s', 0, 0.01)\n"
    (tmp_path / "space_of_first.py").write_text(extend)
    monkeypatch.syspath_prepend(tmp_path)
    custom = "hydra.sweeper.custom_search_space=space_of_first.extend"
    assert toy("-m", f"{ENQUEUE}[default]", custom)[0] == 0
    assert study().trials[0].params == {"x": 0.0, "epoch_s": 0.0}


def test_a_grid_visits_the_default_first_and_each_point_once(toy, study):
    grid = "hydra/sweeper/sampler=grid"
    code, printed = toy("-m", f"{ENQUEUE}[default]", grid, "x=choice(-1.0,0.0,1.0)")
    assert code == 0
    assert "the space is exhausted: 3 of 4 trials" in printed
    done = [trial.params["x"] for trial in study().trials]
    assert done[0] == 0.0
    assert sorted(done) == [-1.0, 0.0, 1.0]
    partial = f"{ENQUEUE}[{{x: 0.0}}]"
    code, printed = toy("-m", partial, grid, "x=0.0,1.0", "text=a,b", "hydra.sweep.dir=other")
    assert code == 2
    assert "a grid needs all keys of a point, it lacks text" in printed
