"""One node decides what is best, returned, reported and searched."""

import math

import pytest

from mlpf.config import ConfigError
from mlpf.training.objective import Objective, objectives_of, with_objective

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
    assert cfg.hpo.direction == "max"
    assert cfg.callbacks.report_trial.monitor == "val_accuracy"
    assert compose_tiny("hpo=random").hpo.direction == "min"


def test_the_keys_of_a_sweep_may_say_it_too(compose_tiny):
    keys = ("hpo.direction=maximize", "callbacks.report_trial.monitor=val_accuracy")
    assert chosen(compose_tiny, "hpo=random", *keys) == ("val_accuracy", "max")


def test_an_unknown_mode_is_one_line(compose_tiny):
    with pytest.raises(ConfigError, match=r"^objective: mode must be min or max, got best$"):
        with_objective(compose_tiny("objective.mode=best"))


SEVERAL = "objective.name=[val_loss,inference_time_ms]"


def test_a_list_of_names_is_all_that_a_sweep_needs(compose_tiny):
    cfg = compose_tiny("hpo=random", SEVERAL)
    assert cfg.hpo.goals.names == ["val_loss", "inference_time_ms"]
    assert cfg.hpo.direction == "min"  # for both
    cfg = with_objective(cfg)
    assert objectives_of(cfg) == cfg.hpo.goals.names == ["val_loss", "inference_time_ms"]
    assert cfg.hpo.direction == ["min", "min"]
    assert (cfg.objective.name, cfg.objective.mode) == ("val_loss", "min")
    assert cfg.callbacks.report_trial.monitor == cfg.callbacks.checkpoint.monitor == "val_loss"
    assert with_objective(cfg) == cfg


def test_each_name_may_have_its_own_mode_and_another_one_may_decide(compose_tiny):
    names = "objective.name=[val_loss,val_tower_accuracy,n_parameters]"
    modes = "objective.mode=[min,max,min]"
    cfg = compose_tiny("hpo=random", names, modes, "hpo.goals.prune_by=val_tower_accuracy")
    assert cfg.hpo.direction == ["min", "max", "min"]
    cfg = with_objective(cfg)
    assert (cfg.objective.name, cfg.objective.mode) == ("val_tower_accuracy", "max")
    assert cfg.callbacks.report_trial.monitor == "val_tower_accuracy"


def test_several_names_of_the_sweep_say_it_too(compose_tiny):
    keys = ("hpo.direction=[minimize,maximize]", "hpo.goals.names=[val_loss,val_accuracy]")
    cfg = with_objective(compose_tiny("hpo=random", *keys))
    assert objectives_of(cfg) == ["val_loss", "val_accuracy"]
    assert (cfg.objective.name, cfg.objective.mode) == ("val_loss", "min")


def test_a_training_alone_has_several_objectives_too(compose_tiny):
    cfg = with_objective(compose_tiny(SEVERAL))
    assert objectives_of(cfg) == ["val_loss", "inference_time_ms"]
    assert objectives_of(with_objective(compose_tiny())) == []


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["objective.mode=[min,max,min]", SEVERAL], r"^objective\.mode: one for all or one"),
        (["objective.mode=[min,best]", SEVERAL], r"^objective: mode must be min or max, got best"),
        (
            ["hpo=random", SEVERAL, "callbacks.report_trial.monitor=val_loss",
             "hpo.goals.names=[val_accuracy,val_loss]"],
            r"^callbacks\.report_trial\.monitor: val_accuracy decides.* not val_loss$",
        ),
    ],
)  # fmt: skip
def test_names_and_modes_that_do_not_fit_are_one_line(compose_tiny, overrides, told):
    with pytest.raises(ConfigError, match=told):
        with_objective(compose_tiny(*overrides))
