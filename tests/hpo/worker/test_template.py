"""Configurations that are copied and filled equal those that Hydra composes."""

import pickle
from dataclasses import dataclass, field
from enum import Enum

import cloudpickle
import pytest
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hpo.hydra_internals import set_keys
from hpo.worker import template as module
from hpo.worker.template import Template, make_template


class Color(Enum):
    RED = 1
    BLUE = 2


@dataclass
class Net:
    width: int = 8
    rate: float = 0.5
    color: Color = Color.RED
    sizes: list[int] = field(default_factory=lambda: [1, 2])


APP = """
defaults: [_self_, model: small, net: typed]
lr: 0.1
name: run-${lr}
free: null
list: [1, 2, 3]
deep: {a: 1, b: {c: x}}
api_token: none
"""
FIXED = ["deep.a=5", "+extra=1", "model=large"]
POINTS = [
    ["lr=1e-4", "net.width=3", "net.color=BLUE", "free=text", "deep.b.c='1'", "list=[7]"],
    ["lr=1", "net.width=4", "net.color=RED", "free=null", "deep.b.c=${lr}", "list=[]"],
]


@pytest.fixture
def hydra(tmp_path):
    """Composes as Hydra does; returns that function and the loader."""
    (tmp_path / "model").mkdir()
    (tmp_path / "config.yaml").write_text(APP)
    for name in ("small", "large"):
        (tmp_path / f"model/{name}.yaml").write_text(f"kind: {name}\n")
    ConfigStore.instance().store(group="net", name="typed", node=Net)
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()

        def compose(overrides):
            return loader.load_configuration("config", overrides, run_mode=RunMode.RUN)

        yield compose, loader


def points(*own):
    return [[*FIXED, *each] for each in own]


@pytest.mark.parametrize("point", [*POINTS, ["lr=7", *POINTS[0][1:]], ["free={a: 1}"], []])
def test_a_filled_copy_is_what_hydra_composes(hydra, point):
    compose, loader = hydra
    template = make_template(compose, loader, FIXED, points(*POINTS))
    filled, composed = template.filled([*FIXED, *point]), compose([*FIXED, *point])
    assert OmegaConf.to_yaml(filled) == OmegaConf.to_yaml(composed)
    assert [*filled] == [*composed]
    for key in {*filled} - {"hydra"}:  # in which the time goes on
        assert filled[key] == composed[key]  # values of interpolations too
    assert OmegaConf.get_type(filled.net) is Net
    assert OmegaConf.is_struct(filled)
    assert [*filled.hydra.overrides.task] == [*composed.hydra.overrides.task]
    assert filled.hydra.job.override_dirname == composed.hydra.job.override_dirname


def test_copies_are_independent_and_survive_a_journey_to_another_process(hydra):
    compose, loader = hydra
    template = make_template(compose, loader, FIXED, points(*POINTS))
    template = cloudpickle.loads(cloudpickle.dumps(template))
    first = template.filled([*FIXED, "lr=1"])
    first.deep.b.c = "changed"
    second = template.filled([*FIXED, "lr=2"])
    assert (first.lr, second.lr, second.deep.b.c, second.name) == (1, 2, "x", "run-2")
    with pytest.raises(OmegaConfBaseException):
        second.net.width = "wide"  # its types are there


@pytest.mark.parametrize(
    "line",
    [
        *("model=small", "+new=1", "++lr=1", "~free", "model@deep.b=large", "net=typed"),
        *("hydra.job.chdir=true", "api_token=abcdefgh"),
    ],
)
def test_what_changes_more_than_its_key_is_left_to_hydra(hydra, line):
    compose, loader = hydra
    assert make_template(compose, loader, [], [["lr=1", line]]) is None or (
        make_template(compose, loader, [], [["lr=1", line]]).filled(["lr=1", line]) is None
    )
    template = make_template(compose, loader, FIXED, points(*POINTS))
    assert template.filled([*FIXED, "lr=1", line]) is None


def test_a_trial_with_other_fixed_overrides_or_an_unknown_key_is_left_to_hydra(hydra):
    compose, loader = hydra
    template = make_template(compose, loader, FIXED, points(["lr=1"]))
    assert template.filled([*FIXED, "lr=3"]).lr == 3
    assert template.filled(["deep.a=6", *FIXED[1:], "lr=3"]) is None
    assert template.filled(["lr=3"]) is None
    assert template.filled([*FIXED, "lr=3", "net.width=3"]) is None


def test_a_template_that_differs_from_hydra_is_not_used_and_that_is_said(
    hydra, monkeypatch, caplog
):
    compose, loader = hydra
    caplog.set_level("INFO")

    def wrongly(config, lines):
        set_keys(config, lines)
        config.list.append(4)

    monkeypatch.setattr(module, "set_keys", wrongly)
    assert make_template(compose, loader, FIXED, points(["lr=1"], ["lr=2"])) is None
    assert caplog.text.count("Hydra composes each trial anew") == 1
    assert "model=large lr=1" in caplog.text


def test_a_mistake_in_a_key_is_left_to_hydra_to_tell(hydra):
    compose, loader = hydra
    assert make_template(compose, loader, FIXED, points(["lrr=1"])) is None
    assert make_template(compose, loader, ["lrr=1"], [["lrr=1", "lr=1"]]) is None


def test_a_class_that_was_imported_twice_stays_the_same(hydra, monkeypatch):
    compose, _ = hydra
    config, own = compose(FIXED), Net
    twin = type("Net", (), {"__module__": Net.__module__})
    monkeypatch.setattr(f"{Net.__module__}.Net", twin)  # what pickle finds under its name
    with pytest.raises(pickle.PicklingError, match="not the same object"):
        pickle.dumps(config)
    template = Template(config, FIXED, ["lr"])
    assert OmegaConf.get_type(template.filled([*FIXED, "lr=1"]).net) is own
