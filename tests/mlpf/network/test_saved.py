"""Networks read from the folders of trainings."""

import pytest
import torch
from omegaconf import OmegaConf

from mlpf import MLPF, load_network
from mlpf.config import ConfigError
from mlpf.network.saved import load_saved

SMALL = {"output_dim": 8, "num_graph_layers_reg": 0, "dropout": 0.5}


@pytest.fixture
def run(tmp_path):
    """A run folder whose checkpoints `best` and `last` hold other weights."""
    (tmp_path / "checkpoints").mkdir()
    OmegaConf.save({"model": {"_target_": "mlpf.MLPF"} | SMALL}, tmp_path / "config.yaml")
    for seed, name in enumerate(("best", "last")):
        torch.manual_seed(seed)
        weights = {f"network.{k}": v for k, v in MLPF(**SMALL).state_dict().items()}
        others = {"class_metrics.confusion": torch.zeros(1)}
        torch.save({"state_dict": weights | others}, tmp_path / f"checkpoints/{name}.ckpt")
    return tmp_path


def same_weights(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_run_folder_stands_for_its_best_checkpoint(run):
    network = load_network(str(run))
    assert not network.training
    assert same_weights(network, load_network(run / "checkpoints/best.ckpt"))
    assert not same_weights(network, load_network(run / "checkpoints/last.ckpt"))


def test_a_path_may_be_relative(run, monkeypatch):
    monkeypatch.chdir(run / "checkpoints")
    assert same_weights(load_network("best.ckpt"), load_network(run))


def test_a_folder_without_a_training_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match=rf"{tmp_path}/config\.yaml: not found"):
        load_network(tmp_path)


def test_a_missing_checkpoint_is_refused_by_name(run):
    with pytest.raises(ConfigError, match=r"checkpoints/first\.ckpt: not found"):
        load_network(run / "checkpoints/first.ckpt")


def test_a_configuration_without_a_network_is_refused(run):
    OmegaConf.save({"model": {"_target_": "mlpf.MLPF", "width": 8}}, run / "config.yaml")
    with pytest.raises(ConfigError, match=r"^model: .*width"):
        load_network(run)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        flip,
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(b""),
        lambda path: torch.save([1, 2], path),
    ],
)
def test_a_damaged_checkpoint_is_refused_by_name(run, damage):
    damage(run / "checkpoints/best.ckpt")
    with pytest.raises(ConfigError, match=r"best\.ckpt is damaged: ") as error:
        load_network(run)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [{}, {"state_dict": {}}, {"state_dict": 5}])
def test_weights_of_another_network_are_refused_in_one_line(run, content):
    torch.save(content, run / "checkpoints/best.ckpt")
    with pytest.raises(ConfigError, match=r"best\.ckpt: not the weights of the network") as error:
        load_network(run)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["model: [", "- a"])
def test_a_damaged_configuration_is_refused_by_name(run, text):
    (run / "config.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"config\.yaml: not a configuration"):
        load_network(run)


def test_the_network_of_the_package_is_small_and_knows_its_origin():
    saved = load_saved("pretrained")
    assert saved.file.stat().st_size < 1e6
    assert not saved.network.training
    assert len(saved.provenance["config_sha256"]) == 64
    assert saved.provenance["data"]["source"]["process"] == "ttbar"
    assert same_weights(saved.network, load_network("pretrained"))


def test_nothing_is_refused_by_its_name(tmp_path):
    with pytest.raises(ConfigError, match=r"none: not found; need a run folder or a weight file"):
        load_network(tmp_path / "none")


def test_a_file_of_another_kind_is_told_as_such(tmp_path):
    (tmp_path / "x.ckpt").write_bytes(b"events")
    with pytest.raises(ConfigError, match="neither a weight file nor a checkpoint"):
        load_network(tmp_path / "x.ckpt")
    with pytest.raises(ConfigError, match="not found"):
        load_network("/x.ckpt")
