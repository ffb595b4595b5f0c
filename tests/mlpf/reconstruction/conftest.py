"""A run folder with a small network, its test events, and its export, made once."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from mlpf import MLPF, Events, load_network, write_events
from mlpf.config import config_dir
from mlpf.data.events import from_arrays, no_labels
from mlpf.reconstruction.export import export
from mlpf.reconstruction.exporting import traced
from mlpf.reconstruction.one_event import OneEvent

SMALL = {"output_dim": 4, "distance_dim": 4, "ffn_dist_hidden_dim": 4, "decoder_width": 4}
SMALL |= {"bin_size": 8, "num_graph_layers_id": 1, "num_graph_layers_reg": 0}


def composed(command, *arguments):
    cfg = OmegaConf.load(Path(config_dir()) / f"{command}.yaml")
    del cfg["hydra"], cfg["defaults"]
    return OmegaConf.merge(cfg, OmegaConf.from_dotlist(list(arguments)))


def some_events(*sizes, seed=0):
    """Events of towers and tracks, without labels."""
    rng = np.random.default_rng(seed)
    events = []
    for n in sizes:
        x = np.zeros((n, 12))
        x[:, 0] = rng.integers(1, 3, n)
        x[:, 1], x[:, 2] = rng.exponential(3, n) + 0.1, rng.uniform(-3, 3, n)
        phi = rng.uniform(-np.pi, np.pi, n)
        x[:, 3], x[:, 4] = np.sin(phi), np.cos(phi)
        x[:, 5] = x[:, 1] * np.cosh(x[:, 2])
        is_track = x[:, 0] == 2
        share = rng.random(n)
        x[:, 6] = np.where(is_track, x[:, 2], share * x[:, 5])
        x[:, 7] = np.where(is_track, x[:, 3], (1 - share) * x[:, 5])
        x[:, 8] = np.where(is_track, x[:, 4], 0)
        x[:, 9] = np.where(is_track, rng.choice([-1, 1], n), 0)
        events.append(x)
    nothing = [np.zeros((n, 7)) for n in sizes]
    made = from_arrays(events, nothing, nothing)
    labels = no_labels(len(made.x))
    return Events(made.x, labels, labels, made.offsets, has_truth=False, has_rules=False)


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run folder as a training leaves it; the network is random."""
    folder = tmp_path_factory.mktemp("run")
    write_events(some_events(30, 0, 1, 17), folder / "test.parquet")
    torch.manual_seed(3)
    network = MLPF(**SMALL)
    torch.nn.init.normal_(network.momentum_heads.out_weight, std=0.1)
    weights = {f"network.{name}": value for name, value in network.state_dict().items()}
    (folder / "checkpoints").mkdir()
    torch.save({"state_dict": weights}, folder / "checkpoints/best.ckpt")
    data = {"_target_": "mlpf.EventDataModule", "folder": str(folder), "train": [], "val": []}
    data |= {"test": ["test.parquet"], "max_elements_per_batch": 100}
    config = {"model": {"_target_": "mlpf.MLPF"} | SMALL, "data": data, "seed": 7}
    (folder / "config.yaml").write_text(
        json.dumps(OmegaConf.to_container(OmegaConf.create(config)))
    )
    return folder


@pytest.fixture(scope="session")
def program(run):
    """The network of the run as a program; tracing it takes seconds."""
    return traced(OneEvent(load_network(run), 0.7).eval())


@pytest.fixture(scope="session")
def onnx_file(run, program):
    """The network of the run as ONNX."""
    arguments = (f"run={run}", f"out={run}/small.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlpf.reconstruction.export.traced", lambda network: program)
        export(composed("export", *arguments))
    return run / "small.onnx"


@pytest.fixture(scope="session")
def weight_file(run):
    export(composed("export", f"run={run}", f"out={run}/small.npz", "format=weights"))
    return run / "small.npz"
