from functools import partial

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.samplers import (
    BruteForceSampler,
    GridSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

import hpo
from hpo.search import seeded
from hpo.search.seeded import Samplers, build, complete, make_sampler, takes_turns
from hpo.settings import SettingError

IN = "optuna.samplers."
RANDOM = {"_target_": "optuna.samplers.RandomSampler", "seed": 7}


def draw(config, number):
    study = optuna.create_study(sampler=make_sampler(config, number)[0])
    return study.ask({"x": FloatDistribution(0, 1)}).params["x"]


def test_with_a_seed_what_is_drawn_depends_on_the_trial_alone():
    assert draw(RANDOM, 0) == draw(RANDOM, 0) != draw(RANDOM, 1)
    assert draw(RANDOM, 0) != draw({**RANDOM, "seed": 8}, 0)


def test_the_seed_is_returned_so_that_the_trial_can_keep_it():
    seeds = [make_sampler(RANDOM, number)[1] for number in (0, 1, 0)]
    assert seeds[0] == seeds[2] != seeds[1]
    assert make_sampler({**RANDOM, "seed": None}, 0)[1] is None


def test_without_a_seed_two_samplers_differ():
    unseeded = {**RANDOM, "seed": None}
    assert draw(unseeded, 0) != draw(unseeded, 0)


def test_none_is_the_default_of_optuna():
    assert isinstance(make_sampler(None, 0)[0], optuna.samplers.TPESampler)


def test_the_configuration_is_not_changed():
    make_sampler(RANDOM, 3)
    assert RANDOM["seed"] == 7


def test_a_sampler_inside_of_another_has_a_seed_of_its_own_for_each_trial():
    outer = {
        "_target_": "optuna.samplers.PartialFixedSampler",
        "fixed_params": {"y": 1},
        "base_sampler": RANDOM,
    }
    assert draw(outer, 0) == draw(outer, 0) != draw(outer, 1)


def test_all_trials_go_through_one_grid_and_one_sequence():
    grid = {"_target_": f"{IN}GridSampler", "search_space": {"x": [1, 2, 3]}, "seed": 7}
    sobol = {"_target_": f"{IN}QMCSampler", "scramble": True, "seed": 7}
    assert [make_sampler(grid, number)[1] for number in (0, 1)] == [7, 7]
    assert [make_sampler(sobol, number)[1] for number in (0, 1)] == [7, 7]


def test_workers_agree_on_the_points_of_a_grid_and_the_seed_of_a_sequence():
    space = {"x": FloatDistribution(0, 0.5, step=0.5)}
    grid = complete({"_target_": f"{IN}GridSampler"}, space, "s")
    assert grid["search_space"] == {"x": [0.0, 0.5]}
    assert complete(grid, space, "s") == grid
    seeds = [complete({"_target_": f"{IN}QMCSampler"}, space, s)["seed"] for s in ("a", "a", "b")]
    assert seeds[0] == seeds[1] != seeds[2]
    for node in (None, RANDOM, {"_target_": "no.such.Sampler"}):
        assert complete(node, space, "s") == node


@pytest.mark.parametrize(
    ("name", "more", "text"),
    [
        ("Grid", False, "x has no steps"),
        ("BruteForce", False, "x has no steps"),
        ("BruteForce", True, "needs all keys in params"),
    ],
)
def test_a_sampler_of_all_points_is_refused_where_these_are_not_known(name, more, text):
    space = {} if more else {"x": FloatDistribution(0, 1)}
    with pytest.raises(SettingError) as refused:
        complete({"_target_": f"{IN}{name}Sampler"}, space, "s", more=more)
    assert text in refused.value.naming(str)


def test_lists_of_a_configuration_reach_the_class_as_lists():
    pruner = build({"_target_": "builtins.dict", "a": [1, {"b": [2]}]})
    assert type(pruner["a"]) is list
    assert type(pruner["a"][1]["b"]) is list


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": "optuna.samplers.RandomSampler", "seed": 3},
        {"_target_": "optuna.samplers.TPESampler", "seed": 3, "n_startup_trials": 2},
    ],
)
def test_a_sampler_made_without_hydra_draws_the_same(node, monkeypatch):
    def points():
        study = optuna.create_study(sampler=build(node))
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=6)
        return [trial.value for trial in study.trials]

    plain = points()
    monkeypatch.setattr(seeded, "_plain_sampler", lambda node: None)
    assert plain == points()


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": "optuna.samplers.RandomSampler", "sead": 3},
        {"_target_": "optuna.samplers.RandomSampler", "_partial_": True},
        {"_target_": "optuna.samplers.TPESampler", "gamma": {"_target_": "builtins.len"}},
        {"_target_": "optuna.pruners.NopPruner"},
    ],
)
def test_hydra_makes_what_has_other_arguments_and_tells_what_is_wrong(node):
    assert seeded._plain_sampler(node) is None


def test_kept_samplers_propose_what_new_ones_do():
    node = {
        "_target_": "hpo.DiverseSampler",
        "sampler": {"_target_": "hpo.TPESampler", "_partial_": True, "n_startup_trials": 3},
        "seed": 7,
    }
    samplers, params = Samplers(node), {}
    for kept in (True, False):
        study = optuna.create_study()
        for number in range(16):
            of = samplers.of if kept else partial(make_sampler, node)
            study.sampler, seed = of(number)
            assert seed == make_sampler(node, number)[1]
            study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
        params[kept] = [trial.params for trial in study.trials]
        samplers = Samplers(node)
    assert params[True] == params[False]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_workers_take_turns_where_they_would_repeat_points():
    space, large = {"x": IntDistribution(1, 4)}, {"x": FloatDistribution(0, 1)}
    samplers = [BruteForceSampler(), GridSampler({"x": [1]}), QMCSampler(), RandomSampler()]
    samplers.append(hpo.DiverseSampler(TPESampler))
    assert [takes_turns(each, space) for each in samplers] == [True, True, True, False, True]
    assert [takes_turns(each, large) for each in samplers] == [True, True, True, False, False]
