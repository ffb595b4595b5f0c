import math

import pytest
import torch

from mlpf.network import transformer
from mlpf.network.transformer import Attention, Rotation, TransformerLayer, TransformerOptions
from tests.mlpf.network.layouts import layout_of

OPTIONS = {
    "output_dim": 16,
    "num_heads": 2,
    "ffn_hidden_dim": 5,
    "layernorm": True,
    "dropout": 0.0,
    "position_gain": 3.0,
}
SIZES = [9, 0, 1, 3, 20]


def layer_of(**changes):
    torch.manual_seed(0)
    return TransformerLayer(TransformerOptions(**{**OPTIONS, **changes})).double()


def inputs(n):
    eta, phi = torch.randn(n).double(), 3 * torch.randn(n).double()
    return torch.randn(n, 16).double(), torch.stack([eta, phi.sin(), phi.cos()], 1)


def turned(vector, position, frequencies):
    """A vector of one head: pairs (i, i + A / 2) rotate by multiples of eta, then of phi."""
    phi = math.atan2(position[1], position[2])
    angles = [f * float(place) for place in (position[0], phi) for f in frequencies]
    half, out = len(vector) // 2, [None] * len(vector)
    for i, angle in enumerate(angles):
        a, b, c, s = vector[i], vector[i + half], math.cos(angle), math.sin(angle)
        out[i], out[i + half] = a * c - b * s, a * s + b * c
    return torch.stack(out)


def reference_attention(attention, x, position):
    """One event, one head and one element at a time, from the formulas."""
    heads, head_dim = attention.shape
    frequencies = [1.0, 16.0]
    projected = attention.project(x).view(len(x), 3, heads, head_dim)
    out = []
    for i in range(len(x)):
        parts = []
        for h in range(heads):
            query = turned(projected[i, 0, h], position[i], frequencies)
            keys = [turned(row[1, h], position[j], frequencies) for j, row in enumerate(projected)]
            scores = torch.stack(keys) @ query / math.sqrt(head_dim)
            parts.append(scores.softmax(0) @ projected[:, 2, h])
        out.append(attention.out(torch.cat(parts)))
    return torch.stack(out) if out else x


@pytest.mark.parametrize("limit", [2**26, 40])
def test_attention_equals_a_plain_loop_over_the_formulas(limit, monkeypatch):
    monkeypatch.setattr(transformer, "_N_SCORES", limit)  # 40: parts of two queries of 20
    attention = layer_of().attention
    x, position = inputs(sum(SIZES))
    x.requires_grad_()
    weights = torch.randn(sum(SIZES), 16, dtype=torch.float64)
    parameters = [x, *attention.parameters()]

    out = attention(x, position, layout_of(SIZES))
    events = zip(x.split(SIZES), position.split(SIZES), strict=True)
    reference = torch.cat([reference_attention(attention, *event) for event in events])
    torch.testing.assert_close(out, reference, atol=1e-10, rtol=0)

    grads, expected = (
        torch.autograd.grad((y * weights).sum(), parameters) for y in (out, reference)
    )
    for grad, right in zip(grads, expected, strict=True):
        torch.testing.assert_close(grad, right, atol=1e-9, rtol=1e-9)


def test_a_compiled_attention_has_one_part_and_the_same_result(monkeypatch):
    monkeypatch.setattr(transformer, "_N_SCORES", 40)
    events = torch.randn(3, 20, 2, 8)
    in_parts = transformer.attend(*events)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(transformer.attend(*events), in_parts)


def test_a_layer_adds_attention_and_network_to_its_input():
    layer, (x, position), layout = layer_of(), inputs(10), layout_of([10])
    middle = x + layer.attention(layer.attention_norm(x), position, layout)
    expected = middle + layer.ffn(layer.ffn_norm(middle))
    torch.testing.assert_close(layer(x, position, layout), expected)


def test_products_of_rotated_vectors_depend_on_differences_of_places_alone():
    rotation, vectors = Rotation(16), torch.randn(2, 3, 16)
    eta, phi = torch.tensor([0.5, -0.3]), torch.tensor([3.0, -3.0])  # phi wraps around
    products = []
    for shift in (0.0, 1.7):
        turned_phi = phi + shift
        places = torch.stack([eta + shift, turned_phi.sin(), turned_phi.cos()], 1)
        first, second = rotation(vectors, *rotation.angles(places))
        products.append((first * second).sum(1))
    torch.testing.assert_close(products[0], products[1], atol=1e-4, rtol=0)
    assert rotation.frequencies.tolist() == [1.0, 3.0, 6.0, 16.0]


def test_a_new_layer_gives_the_gain_as_score_to_elements_in_the_same_place():
    attention = Attention(TransformerOptions(**{**OPTIONS, "position_gain": 7.0}))
    query, key, value = attention.project.bias.view(3, *attention.shape)
    for place in torch.tensor([[0.0, 0.0, 1.0], [2.0, 0.6, 0.8]]):
        angles = attention.rotation.angles(place.unsqueeze(0))
        turned_query, turned_key = (
            attention.rotation(b.unsqueeze(0), *angles) for b in (query, key)
        )
        score = (turned_query * turned_key).sum(2) / math.sqrt(attention.shape[1])
        torch.testing.assert_close(score, torch.full((1, 2), 7.0))
    assert value.eq(0).all()


def test_dropout_is_active_in_training_only():
    layer, (x, position), layout = layer_of(dropout=0.5), inputs(10), layout_of([10])
    assert not torch.equal(layer(x, position, layout), layer(x, position, layout))
    layer.eval()
    assert torch.equal(layer(x, position, layout), layer(x, position, layout))


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_heads", 0), ("ffn_hidden_dim", 0), ("dropout", 1.0), ("position_gain", -1.0)],
)
def test_a_value_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*, got {value}"):
        TransformerOptions(**{**OPTIONS, name: value})


def test_a_width_that_the_heads_cannot_share_is_refused():
    message = "output_dim must be a multiple of 4 \\* num_heads = 12, got 16"
    with pytest.raises(ValueError, match=message):
        TransformerOptions(**{**OPTIONS, "num_heads": 3})
