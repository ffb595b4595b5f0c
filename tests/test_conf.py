"""Every option of every group composes, says what it is, and can be built; experiments train."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from mlpf.config import build, config_dir
from mlpf.training.fit import train

CONF = Path(config_dir())
FILES = sorted(CONF.rglob("*.yaml"))
OPTIONS = [
    (file.parent.relative_to(CONF).as_posix(), file.stem)
    for file in FILES
    if file.parent != CONF and not file.stem.startswith("_")
]
SINGLE_TARGET = {"data", "model", "loss", "optimizer", "scheduler", "trainer"}
EXPERIMENTS = [name for group, name in OPTIONS if group == "experiment"]
SEARCHES = [name for group, name in OPTIONS if group == "hpo"]


def composed(*overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose("train", overrides=list(overrides))


def choice(group, name):
    """The overrides that choose an option; parts of a search come with one."""
    if group.startswith("hpo/"):
        return ["hpo=asha_bo", f"{group}={name}"]
    return [f"{group}={name}"]


@pytest.mark.parametrize(("group", "name"), OPTIONS)
def test_every_option_composes(group, name):
    cfg = composed(*choice(group, name))
    if group in SINGLE_TARGET:
        assert "_target_" in cfg[group]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(CONF).as_posix())
def test_every_file_begins_with_a_comment_that_says_what_it_is(file):
    lines = file.read_text().splitlines()
    first = next(line for line in lines if not line.startswith("# @package"))
    assert first.startswith("# ")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(CONF).as_posix())
def test_every_class_and_function_of_ours_is_named_by_its_public_name(file):
    for target in re.findall(r"_target_: ([\w.]+)", file.read_text()):
        package, _, name = target.partition(".")
        if package in {"mlpf", "hpo", "qsvr"}:
            assert name in import_module(package).__all__, target


@pytest.mark.parametrize(
    ("group", "name"), [o for o in OPTIONS if o[0] in {"loss", "optimizer", "scheduler"}]
)
def test_every_key_of_an_option_is_known_to_its_constructor(group, name):
    import torch

    built = build(composed(f"{group}={name}"), group)
    parameters = [torch.nn.Parameter(torch.zeros(1))]
    if group == "optimizer":
        assert built(parameters).param_groups[0]["lr"] == pytest.approx(1e-4)
    elif group == "scheduler":
        schedule = built(torch.optim.SGD(parameters, lr=1.0), 100)
        assert 0 < schedule.get_last_lr()[0] <= 1


NEEDS = {
    "curves7": ["optimizer=adamw"],
    "gravnet": ["model=gravnet"],
    "transformer": ["model=transformer"],
}


@pytest.mark.parametrize("name", [n for g, n in OPTIONS if g == "search_space"])
def test_every_searched_key_is_a_key_of_the_configuration(name):
    needs = NEEDS.get(name, [])
    with initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = compose(
            "train", overrides=[f"search_space={name}", *needs], return_hydra_config=True
        )
    params = OmegaConf.to_container(cfg.hydra.sweeper.params)
    parser = OverridesParser.create()
    for key, domain in params.items():
        group, _, name = key.rpartition(".")
        assert name in OmegaConf.select(cfg, group, throw_on_missing=True), key
        assert parser.parse_override(f"{key}={domain}").is_sweep_override()


def values(name, key):
    """The grid points of a searched key."""
    with initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = compose("train", overrides=[f"search_space={name}"], return_hydra_config=True)
    override = OverridesParser.create().parse_override(f"{key}={cfg.hydra.sweeper.params[key]}")
    return list(override.sweep_iterator())


def test_the_search_spaces_are_the_published_ones():
    assert values("stage1", "scheduler.expdecay_decay_steps") == list(range(10, 2001, 10))
    assert values("stage2", "model.bin_size") == [16, 32, 40, 64, 80]
    assert values("stage2", "model.num_graph_layers_id") == [1, 2, 3, 4]
    assert values("curves7", "model.num_graph_layers_reg") == [0, 1, 2, 3, 4]
    with initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = compose("train", overrides=["search_space=stage1"], return_hydra_config=True)
    space = cfg.hydra.sweeper.params
    assert space["optimizer.lr"] == "tag(log, interval(1e-4, 3e-2))"
    assert space["model.dist_mult"] == "interval(0.01, 0.2)"
    assert len(space) == 5


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_trains_for_one_batch(name, compose_tiny, tmp_path):
    one_batch = ["trainer.limit_train_batches=1", "trainer.limit_val_batches=1"]
    cfg = composed(f"experiment={name}", *one_batch, "trainer.max_epochs=1", "trainer.threads=1")
    cfg.data = compose_tiny().data
    assert train(cfg, tmp_path) > 0


@pytest.mark.parametrize("name", SEARCHES)
def test_the_default_is_the_first_trial_of_every_search(name):
    assert composed(f"hpo={name}").hpo.enqueue == ["default"]
