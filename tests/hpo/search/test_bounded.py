import math
from functools import partial

import numpy as np
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


def always(trial):
    try:
        return objective(trial)
    except optuna.TrialPruned:
        return 50.0


def run(sampler, n_trials, function=always):
    study = optuna.create_study(sampler=sampler)
    study.optimize(function, n_trials=n_trials)
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
def test_a_study_of_complete_trials_that_is_not_large_gets_the_proposals_of_optuna(options):
    theirs = optuna.samplers.TPESampler(seed=1, **options)
    assert run(TPESampler(seed=1, **options), 40) == run(theirs, 40)


def test_several_proposals_for_one_trial_are_those_that_optuna_makes_one_by_one():
    ours, theirs = (
        DiverseSampler(partial(kind, multivariate=True, n_startup_trials=5), seed=2)
        for kind in (TPESampler, optuna.samplers.TPESampler)
    )
    assert run(ours, 40) == run(theirs, 40)


def seen(sampler, study, trial):
    """The numbers of the trials that a sampler sees, and which of them as complete."""
    shown = sampler._seen(study, trial._get_latest_trial())._get_trials()
    return [t.number for t in shown], {t.number for t in shown if t.state == TrialState.COMPLETE}


def test_tpe_sees_the_best_trials_the_last_ones_and_those_that_run():
    sampler = TPESampler(max_trials=120, seed=1)
    study = study_of(300, sampler)
    running, reported, asks = study.ask(), study.ask(), study.ask()
    reported.report(0.0, 1)
    numbers, complete = seen(sampler, study, asks)
    # Of the best, complete trials rank before others.
    assert numbers == [*range(0, 100, 2), *range(231, 300), running.number, reported.number]
    assert complete == {*numbers} - {running.number}
    study.tell(running, -1.0)
    asks = study.ask()
    numbers, _ = seen(sampler, study, asks)
    assert numbers == [*range(0, 98, 2), *range(231, 303)]
    assert study.ask(SPACE).params.keys() == SPACE.keys()


def drawn(study, space, n):
    """What a sampler proposes for n new trials, which are not those that wait."""
    found = []
    for _ in range(n):
        number = study._storage.create_new_trial(study._study_id)
        found.append(optuna.Trial(study, number).suggest_float("x", 0, 1))
        study._storage.set_trial_state_values(number, TrialState.FAIL)
    return found


@pytest.mark.parametrize("kind", [TPESampler, GPSampler])
@pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.WAITING, TrialState.RUNNING])
def test_trials_that_are_not_complete_teach(kind, state):
    pytest.importorskip("torch")
    study = optuna.create_study(sampler=kind(n_startup_trials=5, seed=1))
    space = {"x": FloatDistribution(0, 1)}
    for number in range(30):
        x = (0.618 * number) % 1
        study.add_trial(
            create_trial(
                state=state,
                params={"x": x},
                distributions=space,
                intermediate_values={1: (x - 0.8) ** 2, **({2: 0.0} if x > 0.7 else {})},
            )
        )
    assert np.mean([abs(x - 0.8) < 0.2 for x in drawn(study, space, 12)]) > 0.8


def test_a_bad_complete_trial_is_not_taken_for_a_good_one():
    """As of asynchronous halving: the first trials complete, whatever they are worth."""
    space, medians = {"x": FloatDistribution(0, 1)}, []
    for kind in (TPESampler, optuna.samplers.TPESampler):
        study = optuna.create_study(sampler=kind(n_startup_trials=5, seed=1))
        for number in range(40):
            x = 0.9 + number / 100 if number < 4 else 0.3 * number / 40
            trial = create_trial(
                state=TrialState.COMPLETE if number < 4 else TrialState.PRUNED,
                value=9.0 if number < 4 else None,
                params={"x": x},
                distributions=space,
                intermediate_values={1: 9.0 if number < 4 else 1.0 + x},
            )
            study.add_trial(trial)
        medians.append(np.median(drawn(study, space, 20)))
    assert medians[0] < 0.3 < 0.8 < medians[1]


def test_the_gaussian_process_sees_the_best_trials_and_the_last_ones(monkeypatch):
    pytest.importorskip("torch")
    seen = []

    def sample(self, study, complete, running, space):
        seen.append([trial.number for trial in complete])
        return {}

    monkeypatch.setattr(optuna.samplers.GPSampler, "_sample_relative_impl", sample)
    sampler = GPSampler(max_trials=10, seed=1)
    study = study_of(60, sampler)
    assert study.ask(SPACE).params.keys() == SPACE.keys()
    assert seen == [[0, 2, 4, 6, 8, 55, 56, 57, 58, 59]]
    assert sampler._n_preliminary_samples == 512


@pytest.mark.parametrize(("kind", "least"), [(TPESampler, 100), (GPSampler, 10)])
def test_too_few_trials_are_refused(kind, least):
    with pytest.raises(ValueError, match=f"max_trials must be >= {least}, got {least - 1}"):
        kind(max_trials=least - 1)


def test_with_several_objectives_tpe_sees_all():
    study = optuna.create_study(directions=["minimize"] * 2, sampler=TPESampler(seed=1))
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=15)
    assert len(study.trials) == 15
