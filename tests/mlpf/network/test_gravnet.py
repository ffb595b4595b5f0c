import sys

import pytest
import torch
from omegaconf import OmegaConf
from torch.nn import functional

import mlpf
from mlpf.config import ConfigError, build
from mlpf.network.gravnet import GravNetLayer, GravNetOptions
from tests.mlpf.network.layouts import layout_of

OPTIONS = {
    "output_dim": 6,
    "distance_dim": 3,
    "message_dim": 5,
    "n_neighbors": 4,
    "dist_mult": 0.7,
    "layernorm": True,
    "dropout": 0.0,
    "position_gain": 2.0,
}
SIZES = [9, 0, 1, 3, 20]


def layer_of(**changes):
    torch.manual_seed(0)
    return GravNetLayer(GravNetOptions(**{**OPTIONS, **changes})).double()


def inputs(n):
    return torch.randn(n, 6, dtype=torch.float64), torch.randn(n, 3, dtype=torch.float64)


def reference_layer(layer, x, position):
    """One event, one element and one neighbor at a time, from the formulas."""
    o, out = layer.options, []
    x = layer.input_norm(x)
    points = layer.embed(x) + o.position_gain * position @ layer.locate.weight.T
    for i in range(len(x)):
        squares = (points - points[i]).square().sum(1)
        nearest = squares.argsort()[: o.n_neighbors].tolist()
        messages = [torch.exp(-o.dist_mult * squares[j]) * layer.send(x[j]) for j in nearest]
        mean, largest = sum(messages) / len(messages), messages[0]
        for message in messages:
            largest = torch.maximum(largest, message)
        received = layer.receive(torch.cat([mean, largest]))
        out.append(functional.elu(layer.own(x[i]) + received))
    return torch.stack(out) if out else x


@pytest.mark.parametrize("n_neighbors", [1, 4, 30])
def test_a_layer_equals_a_plain_loop_over_the_formulas(n_neighbors):
    layer = layer_of(n_neighbors=n_neighbors)
    x, position = inputs(sum(SIZES))
    x.requires_grad_()
    weights = torch.randn(sum(SIZES), 6, dtype=torch.float64)
    parameters = [x, *layer.parameters()]

    out = layer(x, position, layout_of(SIZES))
    events = zip(x.split(SIZES), position.split(SIZES), strict=True)
    reference = torch.cat([reference_layer(layer, *event) for event in events])
    torch.testing.assert_close(out, reference, atol=1e-10, rtol=0)

    grads, expected = (
        torch.autograd.grad((y * weights).sum(), parameters) for y in (out, reference)
    )
    for grad, right in zip(grads, expected, strict=True):
        torch.testing.assert_close(grad, right, atol=1e-9, rtol=1e-9)


def test_a_new_layer_sees_distances_in_space_magnified_by_the_gain():
    _, position = inputs(50)
    points = 5.0 * layer_of(position_gain=5.0).locate(position)
    torch.testing.assert_close(torch.pdist(points), 5.0 * torch.pdist(position), rtol=1e-5, atol=0)


def test_dropout_is_active_in_training_only():
    layer, (x, position), layout = layer_of(dropout=0.5), inputs(10), layout_of([10])
    assert not torch.equal(layer(x, position, layout), layer(x, position, layout))
    layer.eval()
    assert torch.equal(layer(x, position, layout), layer(x, position, layout))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("output_dim", 0),
        ("distance_dim", 0),
        ("message_dim", 0),
        ("n_neighbors", 0),
        ("dist_mult", 0.0),
        ("dropout", 1.0),
        ("position_gain", -1.0),
    ],
)
def test_a_value_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*, got {value}"):
        GravNetOptions(**{**OPTIONS, name: value})


def test_without_its_package_a_network_is_refused_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_geometric", None)
    for module in ("torch_geometric.nn", "torch_geometric.nn.aggr", "mlpf.network.gravnet"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.delitem(vars(mlpf), "GravNet", raising=False)
    cfg = OmegaConf.create({"model": {"_target_": "mlpf.GravNet", "output_dim": 8}})
    with pytest.raises(ConfigError) as error:
        build(cfg, "model")
    assert str(error.value) == (
        "model: the package torch_geometric is not installed: pip install 'mlpf-hpo[gravnet]'"
    )
