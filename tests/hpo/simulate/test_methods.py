from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from optuna.pruners import SuccessiveHalvingPruner

import hpo.simulate
from hpo.search.promotion import PromotionPruner
from hpo.simulate.methods import (
    make_method,
    make_policy,
    make_reference,
    missing_package,
    read_methods,
)

VALUES = {"epochs": 12, "seed": 3, "n_workers": 2}
SHIPPED = read_methods(Path(hpo.simulate.__file__).with_name("methods.yaml"))
ASHA = {"_target_": "optuna.pruners.SuccessiveHalvingPruner", "min_resource": 1}
RANDOM = {"_target_": "optuna.samplers.RandomSampler"}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_method_can_be_made(name):
    method = SHIPPED[name]
    if "qsvr" in str(method.node) and find_spec("qsvr") is None:
        assert missing_package(method, VALUES) == "qsvr"
    else:
        assert missing_package(method, VALUES) is None


def test_the_values_of_a_run_are_filled_in():
    node = {"_target_": "hpo.PromotionPruner", "max_resource": "${epochs}"}
    policy = make_policy(make_method("p", {"pruner": node}), VALUES)
    assert isinstance(policy.pruner, PromotionPruner)
    assert policy.pruner._max_resource == 12


def test_a_sampler_gets_the_seed_of_the_run():
    policy = make_policy(make_method("m", {"pruner": ASHA, "sampler": RANDOM}), VALUES)
    assert policy.sampler == {**RANDOM, "seed": 3}
    assert isinstance(policy.pruner, SuccessiveHalvingPruner)


def test_a_reference_is_a_function_of_the_losses():
    run = make_reference(SHIPPED["sha"], VALUES)(np.ones((1, 3)))
    assert run.spent.epochs == 3


def test_modes_and_baselines_are_recognized():
    assert make_method("b", {"pruner": ASHA, "baseline": True}).is_baseline
    assert not SHIPPED["sha"].is_baseline
    assert SHIPPED["sha"].is_reference
    assert SHIPPED["random_asha"].mode == "sampler"
    assert SHIPPED["asha"].mode == "pool"


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({}, "method m: needs either a reference or a pruner"),
        ({"pruner": ASHA, "reference": ASHA}, "method m: needs either"),
        (
            {"pruner": ASHA, "prune": 1},
            "unknown key prune; known: baseline, enqueue_best, gpus_per_trial, pru",
        ),
        ({"pruner": {"min_resource": 1}}, "pruner needs a _target_"),
        ("asha", "method m: needs either"),
        ({"pruner": ASHA, "gpus_per_trial": {1: 2}}, "method m: gpus_per_trial must be a number"),
        ({"pruner": ASHA, "enqueue_best": 0}, "method m: enqueue_best must be at least 1, got 0"),
        ({"pruner": ASHA, "enqueue_best": True}, "enqueue_best must be at least 1, got True"),
        ({"reference": ASHA, "enqueue_best": 3}, "method m: a reference has no enqueue_best"),
    ],
)
def test_a_node_that_does_not_fit_is_refused(node, message):
    with pytest.raises(ValueError, match=message):
        make_method("m", node)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"pruner": {**ASHA, "reduction_factor": 0}}, "method m: pruner: .*reduction_factor"),
        ({"pruner": {**ASHA, "nonsense": 0}}, "method m: pruner: .*nonsense"),
        ({"pruner": RANDOM}, "method m: pruner is not a BasePruner"),
        ({"pruner": ASHA, "sampler": ASHA}, "method m: sampler: "),
        ({"pruner": {**ASHA, "min_resource": "${rungs}"}}, "method m: .*rungs"),
    ],
)
def test_what_cannot_be_made_is_named(node, message):
    with pytest.raises(ValueError, match=message):
        make_policy(make_method("m", node), VALUES)


def test_a_package_that_is_not_there_is_named():
    method = make_method("m", {"pruner": {"_target_": "no_such_package.Pruner"}})
    assert missing_package(method, VALUES) == "no_such_package"


@pytest.mark.parametrize(
    ("text", "message"),
    [("[1, 2", "not a YAML file"), ("- 1", "expected names of methods"), (None, "No such file")],
)
def test_a_file_of_methods_that_does_not_fit_is_named(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=f"mine.yaml: {message}"):
        read_methods(path)


def test_a_population_cannot_be_simulated_and_that_is_said():
    method = make_method("pbt", {"pruner": {"_target_": "hpo.PopulationPruner"}})
    with pytest.raises(ValueError, match=r"^method pbt: population based training cannot be sim"):
        make_policy(method, VALUES)
