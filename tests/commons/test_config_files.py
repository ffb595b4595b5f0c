"""Configurations as files, equal to Hydra's to the byte."""

from enum import Enum

import yaml
from hydra import compose, initialize
from hydra.core import utils
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from commons import config_files
from commons.config_files import save
from tests.canary import missing

NEEDS = [
    "omegaconf._utils:OmegaConfDumper.str_representer(dumper, data)",
    "omegaconf._utils:get_omega_conf_dumper()",
]


class Quality(Enum):
    BAD = 1


def both(config, folder):
    """Return what we and what Hydra write."""
    save(config, "ours.yaml", folder)
    utils._save_config(config, "theirs.yaml", folder)
    return tuple((folder / f"{x}.yaml").read_text() for x in ("ours", "theirs"))


def test_omegaconf_has_what_we_need_of_its_internals():
    assert missing("omegaconf", NEEDS, {}) == ""


def test_a_file_is_written_as_hydra_writes_it(tmp_path):
    texts = ["1", "1e3", "yes", "null", "", "a: b", "x" * 200, "é", "two\nlines", "${x}", " ", "#"]
    content = {
        "texts": texts,
        "x": None,
        "deep": {"f": 1e-5, "b": True, "l": []},
        "c": Quality.BAD,
    }
    config = OmegaConf.create(content)
    ours, theirs = both(config, tmp_path)
    assert ours == theirs
    assert yaml.safe_load(ours)["texts"] == texts


def test_the_node_of_hydra_is_written_as_hydra_writes_it_also_when_parts_repeat(tmp_path):
    with initialize(config_path=None, version_base="1.3"):
        config = compose(overrides=["+x=3"], return_hydra_config=True)
    nodes = []
    for number in (1, 2, 2):
        HydraConfig.instance().set_config(config)
        node = HydraConfig.instance().cfg.copy()
        OmegaConf.set_readonly(node.hydra, False)
        node.hydra.job.id, node.hydra.sweep.subdir = f"a/{number}", "long " * 40 + str(number)
        nodes.append(node)
    config_files._part.cache_clear()
    for number, node in enumerate(nodes):
        ours, theirs = both(node, tmp_path / str(number))
        assert ours == theirs
    known = config_files._part.cache_info()
    assert known.misses == len(nodes[0].hydra) + 2  # the second one differs in two parts


def test_an_application_may_have_a_single_key_of_any_name(tmp_path):
    for number, content in enumerate(
        [{"hydra": None}, {"hydra": {}}, {"hydra": [1]}, {}, {"a": {"b": 1}}, ["x=1"], []]
    ):
        ours, theirs = both(OmegaConf.create(content), tmp_path / str(number))
        assert ours == theirs
