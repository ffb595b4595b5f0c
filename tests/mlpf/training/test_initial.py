"""A training that begins with the weights of another."""

import logging

import pytest
import torch
from omegaconf import OmegaConf

from mlpf import MLPF
from mlpf.config import ConfigError
from mlpf.training.callbacks import read_history
from mlpf.training.fit import check_training, train
from mlpf.training.initial import initialize

SMALL = {"output_dim": 8, "distance_dim": 4, "ffn_dist_hidden_dim": 8, "decoder_width": 8}
SMALL |= {"num_graph_layers_id": 1, "num_graph_layers_reg": 1}


def network_of(seed, **changes):
    torch.manual_seed(seed)
    return MLPF(**{**SMALL, **changes})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run folder as a training leaves it, and its weights."""
    run = tmp_path_factory.mktemp("run")
    (run / "checkpoints").mkdir()
    network = network_of(1)
    OmegaConf.save({"model": {"_target_": "mlpf.MLPF"} | SMALL}, run / "config.yaml")
    weights = {f"network.{name}": weight for name, weight in network.state_dict().items()}
    torch.save({"state_dict": weights}, run / "checkpoints/best.ckpt")
    return run, network.state_dict()


def cfg_of(run):
    return OmegaConf.create({"init_from": str(run) if run else None})


def test_all_weights_of_an_equal_network_are_taken(trained, caplog):
    run, weights = trained
    network = network_of(2)
    with caplog.at_level(logging.INFO):
        initialize(network, cfg_of(run))
    assert all(torch.equal(weights[k], v) for k, v in network.state_dict().items())
    assert caplog.messages == [f"{len(weights)} of {len(weights)} weights from {run}"]


def test_what_does_not_fit_keeps_its_start_and_is_told_in_one_line(trained, caplog):
    run, weights = trained
    network = network_of(2, decoder_width=16, num_graph_layers_id=2)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    with caplog.at_level(logging.INFO):
        initialize(network, cfg_of(run))
    after = network.state_dict()
    assert torch.equal(
        after["id_stack.layers.0.embed.0.weight"], weights["id_stack.layers.0.embed.0.weight"]
    )
    for name in ("class_heads.hidden.weight", "id_stack.layers.1.embed.0.weight"):
        assert torch.equal(after[name], before[name])
    (line,) = caplog.messages
    assert "not loaded: id_stack.layers.1 (" in line
    assert "class_heads (" in line


def test_without_init_from_nothing_changes():
    network = network_of(2)
    initialize(network, cfg_of(None))
    assert all(
        torch.equal(a, b)
        for a, b in zip(network.parameters(), network_of(2).parameters(), strict=True)
    )


def test_a_network_of_which_nothing_fits_is_refused_in_one_line(trained):
    with pytest.raises(ConfigError, match=r"^init_from: nothing of .* fits this network") as error:
        initialize(
            network_of(
                2,
                output_dim=12,
                distance_dim=6,
                ffn_dist_hidden_dim=6,
                decoder_width=6,
                num_graph_layers_id=0,
                num_graph_layers_reg=0,
            ),
            cfg_of(trained[0]),
        )
    assert "\n" not in str(error.value)


def test_a_sweep_refuses_a_folder_without_a_training_before_it_starts(compose_tiny, tmp_path):
    with pytest.raises(ConfigError, match=rf"^init_from: {tmp_path}/config\.yaml: not found"):
        check_training(compose_tiny(f"init_from={tmp_path}"))


def test_a_resumed_training_does_not_begin_again(trained, compose_tiny, tmp_path):
    train(compose_tiny("trainer.max_epochs=1", f"init_from={trained[0]}"), tmp_path)
    assert OmegaConf.load(tmp_path / "config.yaml").init_from == str(trained[0])
    train(compose_tiny("trainer.max_epochs=2", "init_from=/nowhere"), tmp_path)
    assert [row["epoch"] for row in read_history(tmp_path / "metrics.csv")] == [1, 2]
