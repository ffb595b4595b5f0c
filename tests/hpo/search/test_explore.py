import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from hpo.attributes import PARENT
from hpo.search.explore import bandit, perturb

SPACE = {
    "lr": FloatDistribution(1e-4, 1e-1, log=True),
    "width": IntDistribution(1, 9),
    "kind": CategoricalDistribution(["a", "b", "c"]),
}


def parent(values=(1.0,), space=SPACE, **params):
    return create_trial(
        state=TrialState.RUNNING,
        value=None,
        params=params,
        distributions={name: space[name] for name in params},
        intermediate_values=dict(enumerate(values, 1)),
    )


def explored(how, trial, resample=0.0, seed=1, trials=None, study=None):
    study = study or optuna.create_study()
    rng = np.random.default_rng(seed)
    return how(study, trial, trials or {0: trial}, 1, resample, rng)


def test_numbers_are_multiplied_and_choices_stay():
    found = [
        explored(perturb, parent(lr=0.01, width=5, kind="b"), seed=seed) for seed in range(20)
    ]
    assert {round(each["lr"], 9) for each in found} == {0.008, 0.012}
    assert {each["width"] for each in found} == {4, 6}
    assert {each["kind"] for each in found} == {"b"}


def test_a_whole_number_changes_by_one_step_at_least():
    found = {explored(perturb, parent(width=2), seed=seed)["width"] for seed in range(20)}
    assert found == {1, 3}


def test_the_range_is_kept():
    found = [explored(perturb, parent(lr=0.1, width=9), seed=seed) for seed in range(20)]
    assert {each["width"] for each in found} == {7, 9}
    assert max(each["lr"] for each in found) == 0.1


def test_a_step_of_a_float_is_kept():
    space = {"x": FloatDistribution(0.5, 2.0, step=0.25)}
    found = {explored(perturb, parent(space=space, x=1.0), seed=seed)["x"] for seed in range(20)}
    assert found == {0.75, 1.25}


def test_what_is_drawn_anew_comes_from_the_whole_range():
    start = parent(lr=0.01, width=5, kind="b")
    found = [explored(perturb, start, resample=1.0, seed=seed) for seed in range(60)]
    assert {each["kind"] for each in found} == {"a", "b", "c"}
    assert {each["width"] for each in found} == set(range(1, 10))
    assert min(each["lr"] for each in found) < 1e-3 < 1e-2 < max(each["lr"] for each in found)


@pytest.mark.parametrize("how", [perturb, bandit])
def test_the_same_random_numbers_give_the_same_hyperparameters(how):
    start = parent(lr=0.01, width=5, kind="b")
    first, second, other = (explored(how, start, resample=0.5, seed=seed) for seed in (1, 1, 2))
    assert first == second != other


def improving(number, x, *, sign=1, first=1, origin=None):
    """A trial whose value falls by 1 - |x - 0.7| per step."""
    gain = 1 - abs(x - 0.7)
    trial = create_trial(
        state=TrialState.RUNNING,
        value=None,
        params={"x": x, "kind": "a"},
        distributions={"x": FloatDistribution(0, 1), "kind": SPACE["kind"]},
        intermediate_values={s: sign * (10 - gain * s) for s in range(first, first + 4)},
        system_attrs={} if origin is None else {PARENT: origin},
    )
    trial.number = number
    return trial


@pytest.mark.parametrize(("direction", "sign"), [("minimize", 1), ("maximize", -1)])
def test_the_bandit_moves_to_where_values_have_improved_most(direction, sign):
    trials = {n: improving(n, x, sign=sign) for n, x in enumerate([0.05, 0.3, 0.55, 0.7, 0.95])}
    study = optuna.create_study(direction=direction)
    found = [
        explored(bandit, trials[0], seed=seed, trials=trials, study=study)["x"]
        for seed in range(5)
    ]
    assert all(0.5 < x < 0.95 for x in found)


def test_the_bandit_perturbs_while_it_knows_too_little():
    start = parent(values=(2.0, 1.0), lr=0.01)
    assert explored(bandit, start) == explored(perturb, start)


def test_the_bandit_learns_the_first_interval_of_a_child_from_its_parents_value():
    trials = {n: improving(n, x) for n, x in enumerate([0.1, 0.5])}
    trials[2] = improving(2, 0.7, first=5, origin={"trial": 1, "step": 4})
    from hpo.search.explore import _improvements

    points, gains = _improvements(optuna.create_study(), trials, 1, {"x": FloatDistribution(0, 1)})
    assert len(points) == len(gains) == 3 + 3 + 4
    assert sorted(points[points[:, 2] == 0.7][:, 0]) == [4, 5, 6, 7]
