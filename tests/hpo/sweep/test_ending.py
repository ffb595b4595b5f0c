from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf
from optuna.trial import TrialState, create_trial

from hpo.settings import SweepFailure
from hpo.study.spent import Reached
from hpo.sweep import ending

APP = {
    "hydra": {"sweeper": {"budget": "${hpo.budget}", "timeout": "${hpo.timeout}"}},
    "hpo": {"budget": {"epochs": 5}, "timeout": 60},
}


@pytest.fixture
def app():
    return SimpleNamespace(config=OmegaConf.create(APP))


@pytest.fixture
def spec():
    return SimpleNamespace(
        study_name="s",
        n_trials=10,
        timeout=60,
        sweep_dir="/sweep",
        max_failure_rate=0.1,
    )


@pytest.mark.parametrize(("name", "how"), [("core_hours", "a larger"), ("target", "another")])
def test_a_reached_budget_is_named_as_the_user_states_it_and_how_to_go_on(
    spec, app, caplog, name, how
):
    caplog.set_level("INFO")
    ending.say_budget_is_reached(spec, app, Reached(name, 50, "50.3 used"), n_left=4)
    assert f"study 's' has reached hpo.budget.{name}=50 (50.3 used): 6 of 10 trials" in caplog.text
    assert f"The same command with {how} hpo.budget.{name} continues it" in caplog.text


def test_the_end_of_the_time_names_its_key(spec, app, caplog):
    ending.say_time_is_over(spec, app, 4)
    assert "is over (hpo.timeout=60): 6 of 10 trials are finished" in caplog.text


def test_that_energy_is_unknown_is_said_once(caplog):
    ending.say_energy_is_unknown.cache_clear()
    for _ in range(2):
        ending.say_energy_is_unknown()
    assert len(caplog.messages) == 1


def test_a_finite_space_may_have_less_points(spec, caplog):
    caplog.set_level("INFO")
    assert ending.say_if_exhausted(spec, 20)
    assert len(caplog.messages) == 1
    assert not ending.say_if_exhausted(spec, 10)


def tickets(*trials, added=()):
    return SimpleNamespace(trials=lambda *states: [*trials], added=lambda: [*added])


PRUNED = create_trial(state=TrialState.PRUNED, intermediate_values={1: 2.0})
BEST = create_trial(value=1.0, constraints={"gb": -1.0})
INFEASIBLE = create_trial(value=1.0, constraints={"gb": 1.0})


def test_a_sweep_without_a_complete_trial_has_failed(spec):
    ending.check_result(spec, tickets(create_trial(state=TrialState.COMPLETE, value=1.0)))
    with pytest.raises(SweepFailure, match="no trial is complete: 1 waiting; their folders: /swe"):
        ending.check_result(spec, tickets(create_trial(state=TrialState.WAITING)))


def test_trials_that_added_ones_have_outdone_are_a_result_but_diverged_ones_are_not(spec, caplog):
    diverged = create_trial(
        state=TrialState.PRUNED, intermediate_values={1: 2.0}, user_attrs={"diverged": 2}
    )
    with pytest.raises(SweepFailure):
        ending.check_result(spec, tickets(PRUNED))
    ending.check_result(spec, tickets(PRUNED, diverged, added=[PRUNED, BEST]))
    assert (
        "no trial is complete: 1 pruned at step 1, 1 diverged; the best trial was" in caplog.text
    )
    with pytest.raises(SweepFailure):
        ending.check_result(spec, tickets(diverged, added=[BEST]))


def test_no_added_trial_is_the_best_unless_it_is_complete_and_feasible(spec, caplog):
    with pytest.raises(SweepFailure, match="no trial is complete: 1 pruned at step 1; their fol"):
        ending.check_result(spec, tickets(PRUNED, added=[PRUNED, INFEASIBLE]))
    assert not caplog.messages


def test_a_space_all_of_whose_points_were_added_is_told_once(spec, caplog):
    caplog.set_level("INFO")
    spec.n_trials = 0
    assert ending.say_if_exhausted(spec, 4)
    ending.check_result(spec, tickets(added=[BEST]))
    told = "the space is exhausted: all of its points were added"
    assert caplog.messages == [f"{told}; the best trial was added"]
    none = f"{told}, but no complete trial meets all constraints"
    with pytest.raises(SweepFailure, match=none):
        ending.check_result(spec, tickets(added=[INFEASIBLE]))


def test_too_many_failures_are_told_with_the_last_of_each_reason(spec):
    failed = [
        create_trial(state=TrialState.FAIL, user_attrs={"fail_reason": reason})
        for reason in ("no luck", "no luck", "no memory")
    ]
    text = str(ending.too_many_failures(spec, tickets(*failed)))
    assert text.startswith("failed trials: 3, more than max_failure_rate=0.1 of n_trials=10")
    assert "no luck" in text
    assert "no memory" in text
