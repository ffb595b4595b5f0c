from __future__ import annotations

import pytest
import torch
from torch import nn

from mlpf.network import gnn_lsh
from mlpf.network.bins import BinLayout
from mlpf.network.gnn_lsh import GraphLayer, GraphOptions, gaussian_adjacency
from mlpf.network.precision import _BACKENDS, full_precision

HAS_SETTINGS = all(hasattr(backend, "fp32_precision") for backend in _BACKENDS)


@pytest.fixture(autouse=True)
def settings():
    """A test may allow anything; the next one finds the defaults."""
    yield
    torch.set_float32_matmul_precision("highest")
    if HAS_SETTINGS:
        for backend in (torch.backends, *_BACKENDS):
            backend.fp32_precision = "none"


def state():
    try:
        of_all = torch.get_float32_matmul_precision()
    except RuntimeError:
        of_all = "depends on the backend"
    return of_all, [getattr(backend, "fp32_precision", "") for backend in _BACKENDS]


def allow(setting):
    """Allow less precision in each of the ways of PyTorch."""
    if setting in ("high", "medium"):
        torch.set_float32_matmul_precision(setting)
    elif setting == "allow_tf32":
        torch.backends.cuda.matmul.allow_tf32 = True
    elif HAS_SETTINGS:
        backend = {"all": torch.backends, "cuda": _BACKENDS[0], "cpu": _BACKENDS[1]}[setting]
        backend.fp32_precision = "bf16" if setting == "cpu" else "tf32"


@pytest.mark.parametrize("setting", ["high", "medium", "allow_tf32", "all", "cuda", "cpu"])
def test_full_precision_holds_inside_and_the_settings_of_the_user_outside(setting):
    allow(setting)
    before = state()
    with full_precision(), full_precision():
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.backends.cuda.matmul.allow_tf32
        assert not HAS_SETTINGS or state()[1] == ["ieee", "ieee"]
    assert state() == before


def test_an_error_inside_leaves_the_settings_of_the_user():
    allow("high")
    with pytest.raises(ZeroDivisionError), full_precision():
        raise ZeroDivisionError
    assert torch.get_float32_matmul_precision() == "high"


class NoFeatures(nn.Module):
    def forward(self, x):
        return x.new_zeros(len(x), 8)


def graph_at(precision, monkeypatch):
    """Return slots, edges and gradient of a graph of 300 near positions, at this setting."""
    torch.manual_seed(1)
    options = dict.fromkeys(["output_dim", "ffn_dist_hidden_dim", "ffn_dist_num_layers"], 4)
    options |= {"distance_dim": 8, "num_node_messages": 1, "dist_mult": 1.0, "dropout": 0.0}
    options |= {"clip_value_low": 0.0, "normalize_degrees": True, "layernorm": True}
    layer = GraphLayer(6, GraphOptions(**options, position_gain=10.0, max_n_bins=20))
    layer.embed = NoFeatures()
    position = 1 + 0.01 * torch.randn(300, 3)
    seen = []

    def adjacency(embedding, *rest):
        leaf = embedding.detach().requires_grad_()
        seen.extend([leaf, gaussian_adjacency(leaf, *rest)])
        return seen[1]

    monkeypatch.setattr(gnn_lsh, "gaussian_adjacency", adjacency)
    torch.set_float32_matmul_precision(precision)
    layer(torch.randn(300, 6), position, BinLayout.from_offsets(torch.tensor([0, 300]), 50, 300))
    seen[1].square().sum().backward()
    torch.set_float32_matmul_precision("highest")
    return *(value.detach() for value in seen), seen[0].grad


def test_bins_edges_and_their_gradient_do_not_depend_on_the_precision_of_products(monkeypatch):
    expected = graph_at("highest", monkeypatch)
    assert len(expected[0]) == 6
    for name, a, b in zip(
        ("bins", "edges", "gradient"), expected, graph_at("medium", monkeypatch), strict=True
    ):
        assert torch.equal(a, b), name
    exact = torch.cdist(*[expected[0].double()] * 2).clamp(min=0.01).neg().exp()
    off = ~torch.eye(50, dtype=torch.bool)
    assert (expected[1] - exact)[:, off].abs().max() < 1e-4
