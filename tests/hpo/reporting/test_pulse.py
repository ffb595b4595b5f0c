import optuna
import pytest
from optuna.trial import TrialState, create_trial

from hpo.attributes import BEAT, BEST, LEASE, LEASE_S, N_TRIALS, PAUSED, REPORTED
from hpo.reporting.pulse import Pulse
from hpo.reporting.table import live_line


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def pulse(clock):
    return lambda study: Pulse(study._storage, study._study_id, lambda: clock[0])


def begin(study, *values):
    study.enqueue_trial({"x": 0.5})
    trial = study.ask()
    for step, value in enumerate(values, 1):
        trial.report(value, step)
    return trial


def test_a_moment_counts_all_trials_of_the_budget(study, pulse):
    study.set_user_attr(N_TRIALS, 20)
    begin(study, 0.5)
    moment = pulse(study).look()
    assert moment.n_finished == 6
    counts = {"running": 1, "complete": 2, "pruned": 3, "fail": 1, "waiting": 13, "total": 20}
    assert moment.n_trials == counts
    assert (moment.best.number, moment.best.values) == (1, [1.0])
    assert moment.epochs == 4 + 4 + 1 + 3 + 2 + 1


def test_what_has_finished_is_read_once(study, pulse, monkeypatch):
    looks = pulse(study)
    looks.look()
    monkeypatch.setattr(looks, "_note_end", None)  # would fail if it were called
    assert looks.look().n_finished == 6


def test_running_trials_are_sorted_by_how_they_stand_at_their_step(study, pulse):
    begin(study, 3.9)
    begin(study, 8.0)
    begin(study)
    begin(study, 3.9, 2.9, 1.9)
    assert [trial.number for trial in pulse(study).look().running] == [9, 6, 7, 8]


def test_of_a_study_that_maximizes_the_largest_leads(pulse):
    study = optuna.create_study(direction="maximize")
    for value in (1.0, 3.0, 2.0):
        study.add_trial(create_trial(value=value, intermediate_values={1: value}))
    begin(study, 0.5)
    begin(study, 2.5)
    moment = pulse(study).look()
    assert moment.goal == "maximize value"
    assert moment.best.number == 1
    assert [trial.number for trial in moment.running] == [4, 3]


def test_the_best_is_feasible_and_by_the_rule_of_the_study(pulse):
    study = optuna.create_study(directions=["minimize"] * 2)
    study.set_user_attr(BEST, [0.0, 1.0])
    for values, excess in (([1.0, 5.0], -1), ([0.0, 0.0], 1), ([4.0, 4.0], -1)):
        bound = {"constraints:gb": excess}
        study.add_trial(create_trial(values=values, system_attrs=bound))
    moment = pulse(study).look()
    assert moment.best.number == 2
    told = " ".join(live_line(moment).split())
    assert "best value_0 4, value_1 4 (trial 2)" in told


def test_a_worker_whose_heart_does_not_beat_is_not_counted(study, pulse, clock):
    study.set_user_attr(LEASE_S, 10)
    dead, alive = begin(study, 1.0), begin(study, 1.0)
    storage = study._storage
    for trial in (dead, alive):
        storage.set_trial_system_attr(trial._trial_id, LEASE, {"id": "x", "host": "h", "pid": 1})
    looks = pulse(study)
    assert looks.look().n_alive == 2
    for clock[0] in (6.0, 12.0):
        storage.set_trial_system_attr(alive._trial_id, BEAT, ["x", int(clock[0])])
        moment = looks.look()
    assert (moment.n_alive, len(moment.running)) == (1, 2)


def test_paused_trials_are_waiting_and_go_on_where_they_are(study, pulse):
    begin(study, 3.0, 2.0)
    study.add_trial(
        create_trial(
            state=TrialState.WAITING,
            intermediate_values={3: 2.0},
            system_attrs={PAUSED: 3},
            user_attrs={"seconds": 14.0},
        )
    )
    moment = pulse(study).look()
    assert moment.n_trials["waiting"] == 1
    assert moment.on_hold == {"paused": 1, "interrupted": 0}
    # Of 4 trials that reached epoch 3, two ended or are paused there, and two ended a step later.
    assert moment.outlook.left_s == pytest.approx((1 + 0.5) * (50 + 14) / (14 + 3))
    assert not moment.outlook.is_least
    assert [rung.n_reached for rung in moment.rungs if rung.step == 3] == [4]


def test_of_several_objectives_the_reported_one_says_who_leads(pulse):
    study = optuna.create_study(directions=["minimize", "maximize"])
    study.set_user_attr(REPORTED, 1)
    for _ in range(2):
        study.ask()
    for trial, value in zip(study.trials, (0.2, 0.7), strict=True):
        study._storage.set_trial_intermediate_value(trial._trial_id, 1, value)
    moment = pulse(study).look()
    assert [trial.number for trial in moment.running] == [1, 0]
    told = " ".join(live_line(moment).split())
    assert "trial 1 runs (by value_1): epoch 1: 0.7" in told


def test_a_child_of_population_based_training_counts_its_own_epochs(lineage, pulse):
    assert pulse(lineage).look().epochs == 17
