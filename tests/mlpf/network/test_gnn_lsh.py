import pytest
import torch
from torch.nn import functional

from mlpf.network.bins import BinLayout, Binning
from mlpf.network.gnn_lsh import (
    GHConv,
    GraphLayer,
    GraphOptions,
    gaussian_adjacency,
    orthonormal,
)

OPTIONS = {
    "output_dim": 6,
    "distance_dim": 4,
    "ffn_dist_hidden_dim": 5,
    "ffn_dist_num_layers": 2,
    "num_node_messages": 2,
    "dist_mult": 0.7,
    "clip_value_low": 0.0,
    "normalize_degrees": True,
    "layernorm": True,
    "dropout": 0.0,
    "position_gain": 2.0,
    "max_n_bins": 20,
}


def no_direction(points):
    return points.new_zeros(points.shape[-1], 0)


def layout_of(sizes, bin_size):
    offsets = torch.tensor([0, *sizes]).cumsum(0)
    return BinLayout.from_offsets(offsets, bin_size, int(offsets[-1]))


def layer_of(**changes):
    torch.manual_seed(0)
    return GraphLayer(3, GraphOptions(**{**OPTIONS, **changes})).double()


def inputs(n):
    return torch.randn(n, 3, dtype=torch.float64), torch.randn(n, 3, dtype=torch.float64)


# The reference: one event, one bin and one element at a time, from the formulas alone.


def reference_order(embedding, codebook, n_bins):
    projections = (embedding - embedding.mean(0)) @ codebook
    width = codebook.shape[1]
    n_columns = min(width, max(1, n_bins // 2))
    keys = []
    for row in projections.detach():
        directions = torch.cat([row[:n_columns], -row[:n_columns]])
        best = int(directions.argmax())
        column, negative = best % n_columns, best >= n_columns
        keys.append((column + width * negative, float(row[(column + 1) % width])))
    return sorted(range(len(keys)), key=keys.__getitem__)


def reference_conv(conv, x, adjacency, normalize):
    theta, own, gate = conv.weight.chunk(3)
    n = (adjacency.sum(1) + 1e-6) ** -0.5 if normalize else torch.ones(len(x), dtype=x.dtype)
    hom = torch.diag(n) @ adjacency @ torch.diag(n) @ (x @ theta.T)
    g = torch.sigmoid(x @ gate.T + conv.gate_bias)
    return functional.elu(g * hom + (1 - g) * (x @ own.T))


def reference_layer(layer, x, position, bin_size):
    o = layer.options
    x = layer.input_norm(x)
    embedding = layer.embed(x) + o.position_gain * position @ layer.locate.weight.T
    n_bins = -(-len(x) // bin_size)
    order = reference_order(embedding, layer.hashing.codebook, n_bins)
    out = torch.zeros(len(x), o.output_dim, dtype=x.dtype)
    for start in range(0, len(x), bin_size):
        members = order[start : start + bin_size]
        nodes, points = x[members], embedding[members]
        distance = (points[:, None] - points[None]).square().sum(2).clamp(min=1e-4).sqrt()
        adjacency = torch.exp(-o.dist_mult * distance).clamp(min=o.clip_value_low)
        for conv in layer.convs:
            nodes = reference_conv(conv, nodes, adjacency, o.normalize_degrees)
        out[members] = nodes
    return out


@pytest.mark.parametrize("clip_value_low", [0.0, 0.3])
@pytest.mark.parametrize("normalize_degrees", [True, False])
@pytest.mark.parametrize("bin_size", [1, 4, 16, 64])
def test_a_layer_equals_a_plain_loop_over_the_formulas(
    bin_size, normalize_degrees, clip_value_low
):
    layer = layer_of(normalize_degrees=normalize_degrees, clip_value_low=clip_value_low)
    sizes = [37, 0, 1, 16, 50]
    x, position = inputs(sum(sizes))
    x.requires_grad_()
    weights = torch.randn(sum(sizes), 6, dtype=torch.float64)
    parameters = [x, *layer.parameters()]

    out = layer(x, position, layout_of(sizes, bin_size))
    grads = torch.autograd.grad((out * weights).sum(), parameters)
    events = zip(x.split(sizes), position.split(sizes), strict=True)
    reference = torch.cat([reference_layer(layer, *event, bin_size) for event in events])
    reference_grads = torch.autograd.grad((reference * weights).sum(), parameters)

    torch.testing.assert_close(out, reference, atol=1e-10, rtol=0)
    for grad, expected in zip(grads, reference_grads, strict=True):
        torch.testing.assert_close(grad, expected, atol=1e-9, rtol=1e-9)


def test_two_equal_points_are_at_the_floor_of_the_distance_and_pass_no_gradient():
    points = torch.ones(1, 3, 2, requires_grad=True)
    adjacency = gaussian_adjacency(
        points, torch.ones(1, 3, dtype=torch.bool), no_direction(points), 10.0, 0.0
    )
    torch.testing.assert_close(adjacency, torch.full((1, 3, 3), 0.1).neg().exp())
    adjacency.sum().backward()
    assert points.grad.eq(0).all()


@pytest.mark.parametrize("clip_value_low", [0.0, 0.4])
def test_the_hand_written_gradients_are_those_of_the_functions(clip_value_low):
    torch.manual_seed(0)
    layout = layout_of([5, 2], 4)
    binning = Binning.from_order(layout, torch.tensor([3, 1, 0, 4, 2, 6, 5]))
    x = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    valid = layout.valid.view(3, 4)

    def messages(x):
        points = binning.to_bins(x)
        adjacency = gaussian_adjacency(points, valid, no_direction(points), 0.8, clip_value_low)
        return binning.from_bins(adjacency @ points)

    assert torch.autograd.gradcheck(messages, x)


def test_float32_distances_of_far_and_close_points_are_accurate():
    torch.manual_seed(0)
    points = 100 + torch.randn(1, 64, 16)
    points[:, 1] = points[:, 0] + 0.01
    valid = torch.ones(1, 64, dtype=torch.bool)
    single = gaussian_adjacency(points, valid, no_direction(points), 0.5, 0.0).double()
    double = gaussian_adjacency(points.double(), valid, no_direction(points.double()), 0.5, 0.0)
    assert (single - double).abs().max() < 1e-3


@pytest.mark.parametrize("clip_value_low", [0.0, 0.3])
def test_edge_weights_are_the_same_without_gradients(clip_value_low):
    torch.manual_seed(0)
    points, valid = torch.randn(2, 5, 3), torch.ones(2, 5, dtype=torch.bool)
    valid[1, 3:] = False
    with torch.no_grad():
        plain = gaussian_adjacency(points, valid, no_direction(points), 0.8, clip_value_low)
    assert torch.equal(
        plain, gaussian_adjacency(points, valid, no_direction(points), 0.8, clip_value_low)
    )
    assert plain[1, 3:].abs().max() == 0


def test_a_layer_does_not_depend_on_the_order_of_the_rows():
    layer, layout = layer_of(), layout_of([30, 45], 8)
    x, position = inputs(75)
    order = torch.cat([torch.randperm(30), 30 + torch.randperm(45)])
    expected = layer(x, position, layout)[order]
    out = layer(x[order], position[order], layout)
    torch.testing.assert_close(out, expected, atol=1e-10, rtol=0)


def test_an_event_does_not_depend_on_its_neighbors_in_the_batch():
    layer, sizes = layer_of(clip_value_low=0.2), [11, 0, 19, 30]
    x, position = inputs(60)
    together = layer(x, position, layout_of(sizes, 8))
    events = zip(x.split(sizes), position.split(sizes), strict=True)
    apart = [layer(*event, layout_of([len(event[0])], 8)) for event in events]
    torch.testing.assert_close(together, torch.cat(apart), atol=1e-10, rtol=0)


@pytest.mark.parametrize("normalize_degrees", [True, False])
def test_empty_slots_have_no_influence_even_with_clipped_edges(normalize_degrees):
    layer = layer_of(clip_value_low=0.2, normalize_degrees=normalize_degrees)
    x, position = inputs(20)
    exact, padded = (layer(x, position, layout_of([20], size)) for size in (20, 50))
    torch.testing.assert_close(exact, padded, atol=1e-10, rtol=0)


def test_a_new_layer_sees_distances_in_space_magnified_by_the_gain():
    _, position = inputs(50)
    embedding = 200.0 * layer_of(position_gain=200.0).locate(position)
    expected = 200.0 * torch.pdist(position)
    torch.testing.assert_close(torch.pdist(embedding), expected, rtol=1e-5, atol=0)


def test_xavier_draws_each_product_of_the_convolution_apart():
    torch.manual_seed(0)
    for weight in GHConv(256, 256).weight.chunk(3):
        assert weight.std().item() == pytest.approx(0.0625, rel=0.02)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("output_dim", 0),
        ("ffn_dist_num_layers", 0),
        ("num_node_messages", 0),
        ("dist_mult", 0.0),
        ("dist_mult", float("nan")),
        ("clip_value_low", 1.0),
        ("dropout", -0.1),
        ("position_gain", -1.0),
        ("max_n_bins", 1),
    ],
)
def test_a_value_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*, got {value}"):
        GraphOptions(**{**OPTIONS, name: value})


def test_wide_directions_change_nothing_but_the_rounding():
    torch.manual_seed(0)
    wide = orthonormal(torch.randn(6, 3))
    places = torch.randn(1, 20, 3).repeat_interleave(2, 1)  # two elements at each
    near = torch.randn(1, 40, 6) + 500 * places @ wide.mT
    valid = torch.ones(1, 40, dtype=torch.bool)
    exact = gaussian_adjacency(near.double(), valid, wide[:, :0].double(), 0.1, 0.0)
    split = gaussian_adjacency(near.double(), valid, orthonormal(wide.double()), 0.1, 0.0)
    torch.testing.assert_close(split, exact, atol=1e-9, rtol=1e-9)
    errors = [
        (gaussian_adjacency(near, valid, directions, 0.1, 0.0) - exact).abs().max().item()
        for directions in (wide[:, :0], wide)
    ]
    assert errors[1] < 1e-5
    assert errors[1] < errors[0] / 20


def test_orthonormal_vectors_span_the_others_and_dependent_ones_vanish():
    vectors = torch.tensor([[3.0, 3.0, 1.0], [0.0, 1e-5, 2.0], [0.0, 0.0, 2.0]])
    found = orthonormal(vectors)
    expected = [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.5**0.5, 0.5**0.5]]
    torch.testing.assert_close(found.T, torch.tensor(expected), atol=1e-6, rtol=0)
    for dim in (1, 2):
        basis = orthonormal(torch.randn(dim, 3))
        product = basis @ basis.T  # a projection: all of a space of so few dimensions
        torch.testing.assert_close(product, torch.eye(dim), atol=1e-5, rtol=0)
