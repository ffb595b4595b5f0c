import optuna
from optuna.distributions import FloatDistribution

from hpo.search.seeded import make_sampler

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
