import math
from functools import partial

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from commons.asha import AshaPruner
from commons.rungs import sign
from hpo.reporting.importances import MIN_TRIALS, Importances, importances, predicted_share
from hpo.search.diverse import DiverseSampler

SHAPES = {
    "rising": lambda u: u,
    "valley": lambda u: 4 * (u - 0.5) ** 2,
    "valley aside": lambda u: ((u - 0.35) / 0.65) ** 2,
    "waves": lambda u: 0.5 + 0.5 * math.cos(4 * math.pi * u),
    "cliff": lambda u: float(u > 0.6),
}


def pruned_study(seed, shape, n_trials=30, direction="minimize"):
    """`lr` alone decides; most trials end at the first rung."""
    sampler = DiverseSampler(optuna.samplers.TPESampler, seed=seed)
    study = optuna.create_study(
        sampler=sampler, pruner=AshaPruner(1, ranking="last"), direction=direction
    )
    noise = np.random.default_rng(seed)

    def objective(trial):
        lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
        trial.suggest_categorical("optimizer", ["adam", "sgd", "lamb"])
        trial.suggest_int("width", 16, 256, log=True)
        trial.suggest_float("dropout", 0, 0.5)
        effect = SHAPES[shape]((math.log10(lr) + 5) / 4)
        for step in range(1, 10):
            value = effect * (1 + step / 9) + 1 / step + 0.05 * noise.normal()
            value = value if direction == "minimize" else -value
            trial.report(value, step)
            if step < 9 and trial.should_prune():
                raise optuna.TrialPruned
        return value

    study.optimize(objective, n_trials=n_trials)
    return study


def of(study):
    return importances(study.trials, sign(study))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_one_that_decides_comes_first_in_ten_of_ten_pruned_studies(shape):
    for seed in range(10):
        study = pruned_study(seed, shape, direction=["minimize", "maximize"][seed % 2])
        found = of(study)
        assert isinstance(found, Importances)
        assert next(iter(found.shares)) == "lr", seed
        assert (found.n_trials, found.step) == (30, 1)
        assert sum(t.state == TrialState.PRUNED for t in study.trials) > 10


def test_a_choice_may_be_what_decides():
    for seed in range(3):
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
        for _ in range(20):
            trial = study.ask()
            trial.suggest_float("x", 0, 1)
            study.tell(trial, {"c": 0, "a": 1, "b": 0.3}[trial.suggest_categorical("y", "abc")])
        found = of(study)
        assert [*found.shares] == ["y", "x"]
        assert found.step is None


def add(study, x, curve, state=TrialState.PRUNED, **attributes):
    complete = state == TrialState.COMPLETE
    study.add_trial(
        create_trial(
            state=state,
            value=curve[-1] if complete else None,
            params={"x": x},
            distributions={"x": FloatDistribution(0, 1)},
            intermediate_values=dict(enumerate(curve, 1)),
            user_attrs=attributes,
        )
    )


def test_too_few_trials_are_said_and_those_without_a_value_do_not_count():
    study = optuna.create_study()
    for i in range(MIN_TRIALS - 1):
        add(study, i / 20, [float(i)])
    add(study, 0.9, [])
    assert of(study) == "14 trials have a value, 15 are needed"
    add(study, 1.0, [], diverged=1)
    assert of(study).n_trials == 15


def test_equal_values_and_equal_parameters_are_said():
    study, other = optuna.create_study(), optuna.create_study()
    for i in range(20):
        add(study, i / 20, [1.0])
        add(other, 0.5, [float(i)])
    assert of(study) == "20 trials all have the same value"
    assert of(other) == "no hyperparameter has different values in 15 trials"


def test_trials_are_compared_at_the_last_step_that_nearly_all_have_reached():
    study = optuna.create_study()
    for i in range(20):
        add(study, i / 20, [1.0, 1.0, float(i)] + [1.0] * (i % 3))
    add(study, 0.5, [1.0])
    found = of(study)
    assert (found.step, found.n_trials) == (3, 20)
    assert found.shares["x"] > 0.9


def test_a_trial_that_diverged_ranks_last_and_nan_harms_nothing():
    study = optuna.create_study()
    for i in range(20):
        curve = [0.1] if i < 10 else [math.nan]
        attributes = {} if i % 2 else {"diverged": 1}
        add(study, i / 20, curve[: i % 2] if i >= 10 else curve, **(attributes if i >= 10 else {}))
    found = of(study)
    assert found.n_trials == 20
    assert found.shares["x"] > 0.7


def test_thousands_of_trials_are_thinned_out():
    study = optuna.create_study()
    for i in range(1001):
        add(study, i / 1001, [float(i)])
    assert of(study).n_trials == 334


def test_a_parameter_that_only_some_trials_have_is_judged_by_them():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(1))
    for _ in range(60):
        trial = study.ask()
        kind = trial.suggest_categorical("kind", ["a", "b"])
        study.tell(trial, trial.suggest_float("depth", 0, 1) if kind == "a" else 0.5)
    assert of(study).shares.keys() == {"kind", "depth"}


def test_the_share_is_that_of_unseen_trials():
    points = np.linspace(0, 1, 40)[:, None]
    line = points[:, 0] - 0.5
    noise = np.random.default_rng(0).permutation(line)
    assert predicted_share(points, line) > 0.95
    assert predicted_share(points, noise) < 0.1


def test_the_picture_is_of_any_sampler():
    for make in (partial(optuna.samplers.TPESampler, seed=3), optuna.samplers.RandomSampler):
        study = optuna.create_study(sampler=make())
        study.optimize(lambda t: abs(t.suggest_float("x", -1, 1)), n_trials=20)
        assert of(study).shares.keys() == {"x"}


def test_complete_trials_of_several_objectives_are_compared_by_the_reported_one():
    study = optuna.create_study(
        directions=["minimize", "maximize"], sampler=optuna.samplers.RandomSampler(1)
    )
    for _ in range(30):
        trial = study.ask()
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        study.tell(trial, [x, y])
    shares = [importances(study.trials, 1 - 2 * place, place).shares for place in (0, 1)]
    assert [next(iter(found)) for found in shares] == ["x", "y"]
