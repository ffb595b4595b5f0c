"""One node decides what is best, returned, reported and searched."""

import math

import pytest

from mlpf.config import ConfigError
from mlpf.training.objective import Objective, with_objective

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("mode", "values", "best"),
    [
        ("min", [3.0, 1.0, 2.0], 2),
        ("max", [1.0, 3.0, 2.0], 2),
        ("min", [NAN, 2.0, NAN, 1.0, 3.0], 4),
        ("max", [NAN, INF, 1.0], 3),
        ("min", [2.0, 2.0], 1),
    ],
)
def test_the_best_epoch_is_finite_and_the_first_of_equals(mode, values, best):
    rows = [{"epoch": i, "v": value} for i, value in enumerate(values, 1)]
    assert Objective("v", mode).best(rows)["epoch"] == best


def test_without_a_finite_value_no_epoch_is_best():
    assert Objective("v", "min").best([{"epoch": 1, "v": NAN}, {"epoch": 2}]) is None


def test_anything_finite_is_better_than_the_nan_of_an_old_checkpoint():
    assert Objective("v", "min").is_better(1e9, than=NAN)


def chosen(compose, *overrides):
    cfg = with_objective(compose(*overrides))
    checkpoint = cfg.callbacks.checkpoint
    assert [checkpoint.monitor, checkpoint.mode] == [cfg.objective.name, cfg.objective.mode]
    return cfg.objective.name, cfg.objective.mode


def test_a_training_alone_takes_the_node(compose_tiny):
    accuracy = ("objective.name=val_accuracy", "objective.mode=max")
    assert chosen(compose_tiny) == ("val_loss", "min")
    assert chosen(compose_tiny, *accuracy) == ("val_accuracy", "max")


def test_a_sweep_searches_and_reports_what_the_node_says(compose_tiny):
    accuracy = ("objective.name=val_accuracy", "objective.mode=max")
    cfg = compose_tiny("hpo=random", *accuracy)
    assert cfg.hpo.direction == "maximize"
    assert cfg.callbacks.report_trial.monitor == "val_accuracy"
    assert compose_tiny("hpo=random").hpo.direction == "minimize"


def test_the_keys_of_a_sweep_may_say_it_too(compose_tiny):
    keys = ("hpo.direction=maximize", "callbacks.report_trial.monitor=val_accuracy")
    assert chosen(compose_tiny, "hpo=random", *keys) == ("val_accuracy", "max")


def test_an_unknown_mode_is_one_line(compose_tiny):
    with pytest.raises(ConfigError, match=r"^objective: mode must be min or max, got best$"):
        with_objective(compose_tiny("objective.mode=best"))
