import math
from functools import partial

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from hpo.search.bounded import GPSampler, TPESampler
from hpo.search.diverse import DiverseSampler

SPACE = {
    "x": FloatDistribution(1e-3, 1, log=True),
    "n": IntDistribution(0, 9),
    "c": CategoricalDistribution(("a", "b", "c")),
}


def objective(trial):
    x, n = trial.suggest_float("x", 1e-3, 1, log=True), trial.suggest_int("n", 0, 9)
    value = math.log(x) ** 2 + (n - 3) ** 2 + (trial.suggest_categorical("c", "abc") == "a")
    trial.report(value, 1)
    if trial.number % 3 == 1:
        raise optuna.TrialPruned
    return value


def run(sampler, n_trials):
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=n_trials)
    return [trial.params for trial in study.trials]


def study_of(n_trials, sampler):
    """A study in which the value of trial i is i, so that the first ones are the best."""
    study = optuna.create_study(sampler=sampler)
    for number in range(n_trials):
        state = TrialState.PRUNED if number % 2 else TrialState.COMPLETE
        study.add_trial(
            create_trial(
                state=state,
                value=float(number),
                params={"x": 0.5, "n": number % 10, "c": "b"},
                distributions=SPACE,
                intermediate_values={1: float(number)},
            )
        )
    return study


@pytest.mark.parametrize("options", [{}, {"multivariate": True, "constant_liar": False}])
def test_a_study_that_is_not_large_gets_the_proposals_of_optuna(options):
    theirs = optuna.samplers.TPESampler(seed=1, **options)
    assert run(TPESampler(seed=1, **options), 40) == run(theirs, 40)


def test_several_proposals_for_one_trial_are_those_that_optuna_makes_one_by_one():
    ours, theirs = (
        DiverseSampler(partial(kind, multivariate=True, n_startup_trials=5), seed=2)
        for kind in (TPESampler, optuna.samplers.TPESampler)
    )
    assert run(ours, 40) == run(theirs, 40)


def test_tpe_sees_the_best_trials_the_last_ones_and_those_that_run():
    sampler = TPESampler(max_trials=120, seed=1)
    study = study_of(300, sampler)
    running = study.ask()
    seen = [t.number for t in sampler.shown(study, study.trials)]
    # Complete trials rank before pruned ones.
    assert seen == [*range(0, 100, 2), *range(230, 300), running.number]
    study.tell(running, -1.0)
    seen = [t.number for t in sampler.shown(study, study.trials)]
    assert seen == [*range(0, 98, 2), *range(230, 301)]
    assert study.ask(SPACE).params.keys() == SPACE.keys()


def test_the_gaussian_process_sees_the_best_complete_trials_and_the_last_ones(monkeypatch):
    pytest.importorskip("torch")
    seen = []

    def sample(self, study, complete, running, space):
        seen.append([trial.number for trial in complete])
        return {}

    monkeypatch.setattr(optuna.samplers.GPSampler, "_sample_relative_impl", sample)
    sampler = GPSampler(max_trials=10, seed=1)
    study = study_of(60, sampler)
    assert study.ask(SPACE).params.keys() == SPACE.keys()
    assert seen == [[0, 2, 4, 6, 8, 50, 52, 54, 56, 58]]


@pytest.mark.parametrize(("kind", "least"), [(TPESampler, 100), (GPSampler, 10)])
def test_too_few_trials_are_refused(kind, least):
    with pytest.raises(ValueError, match=f"max_trials must be >= {least}, got {least - 1}"):
        kind(max_trials=least - 1)


def test_with_several_objectives_tpe_sees_all():
    study = optuna.create_study(directions=["minimize"] * 2, sampler=TPESampler(seed=1))
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=15)
    assert len(study.trials) == 15
