from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

import hydra_plugins.hpo_sweeper as plugin
from hpo.sweep import parts as module
from hpo.sweep.parts import replace_parts, settled

CONF = Path(__file__).parents[3] / "conf"
DIVERSE, ASHA = plugin._SAMPLERS["diverse_tpe"], plugin._PRUNERS["asha"]
TPE = {"_target_": "optuna.samplers.TPESampler", "seed": 1, "n_startup_trials": 10}
HALVING = "optuna.pruners.SuccessiveHalvingPruner"


@pytest.fixture
def parts(monkeypatch):
    """Composes an application of these settings; returns its parts, and which were replaced."""
    monkeypatch.setattr(ConfigStore.instance(), "repo", dict(ConfigStore.instance().repo))

    def compose_and_replace(sweeper, *overrides, name="app", group="", defaults=()):
        more = [{f"override hydra/sweeper/{kind}": option} for kind, option in defaults]
        if name == "app":
            config = {"defaults": ["_self_", {"override hydra/sweeper": "optuna_async"}, *more]}
            config |= {"x": 0, "hydra": {"sweeper": sweeper}}
            ConfigStore.instance().store(name="app", node=config)
        elif sweeper:
            text = f"# @package _global_\n{yaml.safe_dump(sweeper)}"
            node = OmegaConf.create(yaml.safe_load(text))
            ConfigStore.instance().store(
                group="experiment", name="mine", node=node, package="_global_"
            )
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose(name, list(overrides), return_hydra_config=True)
            context = SimpleNamespace(config_loader=GlobalHydra.instance().config_loader())
            changed = replace_parts(config, context)
        nodes = OmegaConf.to_container(config.hydra.sweeper)
        read = OmegaConf.select(config, "seed", default=None)
        assert all(nodes[kind] == node for kind, node in changed.items() if read is None)
        return nodes, changed

    return compose_and_replace


def test_nothing_is_replaced_where_nothing_is_given(parts):
    nodes, changed = parts({})
    assert changed == {}
    assert (nodes["sampler"], nodes["pruner"]) == (DIVERSE, ASHA)


def test_options_that_stand_alone_need_not_be_composed(parts, monkeypatch):
    monkeypatch.setattr(module, "_composed_alone", None)
    assert parts({})[1] == {}
    assert parts({"sampler": TPE})[1] == {"sampler": TPE}


@pytest.mark.parametrize("kind", ["sampler", "pruner"])
def test_an_option_is_read_as_it_is_composed(parts, kind, monkeypatch):
    read = []

    def both(loader, options):
        read.append(defaults(loader, options))
        with monkeypatch.context() as patch:
            patch.setattr(module, "plain_option", lambda *_: None)
            read.append(defaults(loader, options))
        return read[-1]

    defaults = module._defaults
    monkeypatch.setattr(module, "_defaults", both)
    for option in plugin._options_of(kind):
        parts({}, f"hydra/sweeper/{kind}={option}")
    assert read[::2] == read[1::2]
    assert len({repr(each[kind]) for each in read}) == len(plugin._options_of(kind))


def test_a_node_with_another_target_replaces_the_default(parts):
    for given in (TPE, {"_target_": "optuna.samplers.RandomSampler"}):
        assert parts({"sampler": given})[1] == {"sampler": given}


def test_arguments_that_are_equal_to_those_of_the_default_are_kept_and_others_are_not(parts):
    both = {"_target_": HALVING, "min_resource": 1, "reduction_factor": 3}
    assert parts({"pruner": both})[1]["pruner"] == both
    bare = {"_target_": HALVING}
    assert parts({"pruner": bare})[1]["pruner"] == bare


def test_so_it_is_on_the_command_line(parts):
    given = "hydra.sweeper.sampler={_target_: optuna.samplers.RandomSampler, seed: 3}"
    expected = {"_target_": "optuna.samplers.RandomSampler", "seed": 3}
    assert parts({}, given, "x=1")[1] == {"sampler": expected}
    by_key = "hydra.sweeper.sampler._target_=optuna.samplers.RandomSampler"
    assert parts({}, by_key, "hydra.sweeper.sampler.seed=3")[1] == {"sampler": expected}


def test_a_key_of_an_option_still_changes_this_key_alone(parts):
    nodes, changed = parts({"sampler": {"seed": 4}}, "hydra/sweeper/sampler=tpe")
    assert changed == {}
    assert nodes["sampler"] == plugin._SAMPLERS["tpe"] | {"seed": 4}
    nodes, changed = parts({}, "hydra.sweeper.sampler.random_every=3")
    assert changed == {}
    assert nodes["sampler"] == DIVERSE | {"random_every": 3}


def test_the_target_of_the_default_itself_is_merged_with_it(parts):
    nodes, changed = parts({"sampler": {"_target_": "hpo.DiverseSampler", "random_every": 3}})
    assert changed == {}
    assert nodes["sampler"] == DIVERSE | {"random_every": 3}


def test_an_option_that_was_chosen_is_replaced_too(parts):
    _, changed = parts({"sampler": TPE}, defaults=[("sampler", "gp")])
    assert changed == {"sampler": TPE}
    _, changed = parts({"pruner": {"_target_": HALVING}}, "hydra/sweeper/pruner=qsvr")
    assert changed == {"pruner": {"_target_": HALVING}}


def test_a_node_inside_is_replaced_by_itself(parts):
    inner = {"_target_": "optuna.samplers.GPSampler", "_partial_": True}
    _, changed = parts({"sampler": {"sampler": inner}})
    assert changed["sampler"] == DIVERSE | {"sampler": inner}


def test_null_stays_null(parts):
    nodes, changed = parts({"pruner": None, "sampler": None})
    assert (nodes["pruner"], nodes["sampler"], changed) == (None, None, {})


@pytest.mark.parametrize("way", ["key", "node", "experiment", "section"])
def test_so_it_is_in_an_application_with_groups_of_its_own(parts, way):
    given = {"_target_": "optuna.samplers.CmaEsSampler", "seed": 3}
    text = "{_target_: optuna.samplers.CmaEsSampler, seed: 3}"
    sweeper, overrides = {}, ["hpo=asha_bo"]
    if way == "key":
        overrides += ["hpo.sampler._target_=optuna.samplers.CmaEsSampler", "hpo.sampler.seed=3"]
    elif way == "node":
        overrides += [f"hpo.sampler={text}"]
    else:
        keys = {"hpo": {"sampler": given}}
        sweeper = keys if way == "experiment" else {"hydra": {"sweeper": {"sampler": given}}}
        overrides += ["experiment=mine"]
    _, changed = parts(sweeper, *overrides, name="train")
    assert changed == {"sampler": given}


def test_the_seed_of_a_training_seeds_the_options_of_mlpf_alone(parts):
    _, changed = parts({}, "hpo=asha_bo", "hpo/sampler=random", "seed=5", name="train")
    assert changed == {}
    fixed = "{_target_: optuna.samplers.PartialFixedSampler, fixed_params: {a: 1}}"
    _, changed = parts({}, "hpo=asha_bo", f"+hpo.sampler={fixed}", name="train")
    assert changed["sampler"].keys() == {"_target_", "fixed_params"}
    _, changed = parts({}, "hpo=bohb", f"hpo.pruner._target_={HALVING}", name="train")
    assert changed["pruner"] == {"_target_": HALVING}


def test_what_is_no_node_is_taken_as_it_is():
    assert settled(None, {"_target_": "A"}, {}) is None
    assert settled({"_target_": "A"}, {}, None) == {"_target_": "A"}
