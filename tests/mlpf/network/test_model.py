import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from mlpf.config import config_dir
from mlpf.data.batch import Batch
from mlpf.data.events import from_arrays
from mlpf.network.bins import BinLayout
from mlpf.network.model import MLPF
from mlpf.schema import N_Y

SMALL = {
    "bin_size": 8,
    "num_graph_layers_id": 2,
    "num_graph_layers_reg": 1,
    "output_dim": 12,
    "distance_dim": 6,
    "ffn_dist_hidden_dim": 10,
    "decoder_width": 10,
}


def directions(rng, n):
    phi = rng.uniform(-3, 3, n)
    return [rng.uniform(-3, 3, n), np.sin(phi), np.cos(phi)]


def random_event(rng, n):
    """Half tracks, half towers, with plausible values in every column."""
    n_tracks = n // 2
    pt, direction = rng.exponential(3, n) + 0.3, directions(rng, n)
    energy = pt * np.cosh(direction[0])
    face = np.stack(directions(rng, n), 1)
    ecal = rng.integers(0, 2, n)
    track = np.arange(n) < n_tracks
    deposits = np.stack([ecal * energy, (1 - ecal) * energy, np.zeros(n)], 1)
    flags = np.stack([rng.choice([-1, 1], n), rng.integers(0, 2, n), rng.integers(0, 2, n)], 1)
    x = np.column_stack([1 + track, pt, *direction, energy])
    x = np.column_stack([x, np.where(track[:, None], face, deposits), flags * track[:, None]])
    pid = rng.integers(0, 6, n)
    y = np.column_stack([pid, np.sign(pid - 2), pt * 1.1, *directions(rng, n), energy * 0.8])
    return x, y * (pid > 0)[:, None], y


def batch_of(sizes, seed=0, dtype=torch.float64):
    rng = np.random.default_rng(seed)
    events = [random_event(rng, n) for n in sizes]
    batch = Batch.from_events(from_arrays(*zip(*events, strict=True)))
    return Batch(batch.x.to(dtype), batch.ygen.to(dtype), batch.ycand.to(dtype), batch.offsets)


def model_of(**changes):
    """A network whose momentum heads have learned something."""
    torch.manual_seed(0)
    model = MLPF(**{**SMALL, **changes}).double()
    torch.nn.init.normal_(model.momentum_heads.out_weight, std=0.3)
    return model


def flat(prediction):
    return torch.cat([prediction.logits, prediction.charge, prediction.momentum], 1)


def test_the_prediction_has_a_row_per_element():
    prediction = model_of()(batch_of([13, 0, 30, 1]))
    assert prediction.logits.shape == (44, 6)
    assert prediction.charge.shape == (44, 3)
    assert prediction.momentum.shape == (44, 4)
    assert flat(prediction).isfinite().all()


def test_a_new_network_gives_each_element_what_detector_and_sums_say():
    batch = batch_of([13, 30])
    model = MLPF(**SMALL).double()
    found = model(batch).particles(batch.x, p_none_max=1.0)
    ratio = model.encoder(batch.x, torch.repeat_interleave(torch.tensor([13, 30])))[2]
    torch.testing.assert_close(found[:, 2], batch.x[:, 1] * ratio)
    torch.testing.assert_close(found[:, 3:6], batch.x[:, 2:5])


@pytest.mark.parametrize("sizes", [[0], [0, 0], [1], [3, 0, 2]])
def test_tiny_and_empty_events_can_be_trained_on(sizes):
    model = model_of()
    flat(model(batch_of(sizes))).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(("n_id", "n_reg"), [(0, 0), (0, 2), (2, 0)])
def test_a_stack_may_have_no_layers(n_id, n_reg):
    model = model_of(num_graph_layers_id=n_id, num_graph_layers_reg=n_reg)
    prediction = model(batch_of([20]))
    assert flat(prediction).shape == (20, 13)
    assert len(model.id_stack.layers) == n_id


def test_events_do_not_see_each_other_nor_the_padding():
    model, sizes = model_of(clip_value_low=0.2), [13, 0, 30, 1, 8]
    batch = batch_of(sizes)
    together = flat(model(batch))
    apart = [
        flat(model(Batch(x, x[:, :N_Y], x[:, :N_Y], torch.tensor([0, len(x)]))))
        for x in batch.x.split(sizes)
    ]
    torch.testing.assert_close(together, torch.cat(apart), atol=1e-10, rtol=0)


def test_the_order_of_an_events_elements_does_not_matter():
    model, batch = model_of(), batch_of([40])
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    shuffled = Batch(batch.x[order], batch.ygen[order], batch.ycand[order], batch.offsets)
    torch.testing.assert_close(
        flat(model(shuffled)), flat(model(batch))[order], atol=1e-10, rtol=0
    )


def test_a_new_network_puts_close_towers_and_tracks_into_one_bin():
    bin_size, shares = 32, []
    batch = batch_of([900])
    near = pairs_within(0.2, batch.x)
    for seed in range(3):
        torch.manual_seed(seed)
        model = MLPF(**{**SMALL, "bin_size": bin_size}).double()
        encoded, position, _ = model.encoder(batch.x, torch.zeros(900, dtype=torch.int64))
        layer = model.id_stack.layers[0]
        embedding = layer.embed(model.id_stack.node_encoding(encoded))
        embedding = embedding + layer.options.position_gain * layer.locate(position)
        layout = BinLayout.from_offsets(batch.offsets, bin_size, 900)
        bins = layer.hashing(embedding, layout).slot // bin_size
        shares.append((bins[near[0]] == bins[near[1]]).double().mean())
    chance = bin_size / 900
    assert torch.stack(shares).mean() > 10 * chance


def pairs_within(radius, x):
    """Indices of the tower-track pairs closer than `radius` at the calorimeter face."""
    face = torch.where(x[:, :1] == 1, x[:, 2:5], x[:, 6:9])
    near = (torch.cdist(face, face) < radius) & (x[:, 0] == 1)[:, None] & (x[:, 0] == 2)
    return near.nonzero(as_tuple=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bin_size", 16),
        ("num_graph_layers_id", 3),
        ("num_graph_layers_reg", 0),
        ("output_dim", 16),
        ("distance_dim", 8),
        ("ffn_dist_hidden_dim", 16),
        ("ffn_dist_num_layers", 2),
        ("num_node_messages", 2),
        ("dist_mult", 0.2),
        ("clip_value_low", 0.2),
        ("normalize_degrees", False),
        ("layernorm", True),
        ("dropout", 0.3),
        ("position_gain", 100.0),
        ("decoder_width", 16),
        ("max_n_bins", 4),
    ],
)
def test_every_hyperparameter_changes_the_function(name, value):
    batch = batch_of([60, 25])
    base, changed = model_of(), model_of(**{name: value})
    shapes = {n: p.shape for n, p in base.state_dict().items()}
    same = {n: p for n, p in changed.state_dict().items() if shapes.get(n) == p.shape}
    base.load_state_dict(same, strict=False)  # what can be equal is equal
    difference = flat(base(batch)) - flat(changed(batch))
    assert difference.abs().max() > 1e-6


def test_dropout_is_active_in_training_only():
    model, batch = model_of(dropout=0.3), batch_of([20])
    assert not torch.equal(flat(model(batch)), flat(model(batch)))
    model.eval()
    assert torch.equal(flat(model(batch)), flat(model(batch)))


@pytest.mark.parametrize("option", ["gnn_lsh", "gnn_lsh_small"])
def test_the_shipped_configurations_name_every_argument(option):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        config = compose(overrides=[f"+model={option}"]).model
    assert set(config) - {"_target_"} == set(MLPF.__init__.__kwdefaults__)
    n_parameters = sum(p.numel() for p in instantiate(config).parameters())
    assert n_parameters == {"gnn_lsh": 2_661_389, "gnn_lsh_small": 140_749}[option]


@pytest.mark.parametrize("name", ["bin_size", "decoder_width", "output_dim"])
def test_a_width_of_zero_is_refused_by_name(name):
    with pytest.raises(ValueError, match=f"{name} must be an integer >= 1, got 0"):
        MLPF(**{**SMALL, name: 0})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bin_size": 2.5}, "bin_size must be an integer >= 1, got 2.5"),
        ({"bin_size": "abc"}, "bin_size must be an integer >= 1, got abc"),
        ({"dropout": "abc"}, r"dropout must be a number in \[0, 1.0\), got abc"),
        ({"dist_mult": 0.0}, r"dist_mult must be a number in \(0, inf\), got 0.0"),
        ({"clip_value_low": 1.0}, r"clip_value_low must be a number in \[0, 1.0\), got 1.0"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        MLPF(**{**SMALL, **changes})


def test_a_negative_number_of_layers_is_refused():
    with pytest.raises(ValueError, match="num_graph_layers_reg must be an integer >= 0, got -1"):
        MLPF(num_graph_layers_reg=-1)


@pytest.mark.parametrize("normalize_degrees", [True, False])
def test_bfloat16_autocast_stays_finite_and_near_float32(normalize_degrees):
    model = model_of(normalize_degrees=normalize_degrees, dropout=0.1).float().eval()
    batch = batch_of([50, 30], dtype=torch.float32)
    full = flat(model(batch))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = flat(model(batch))
    mixed.float().sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    # A few elements may change bins; most agree to the eight bits of bfloat16.
    assert (mixed - full).abs().median() < 0.05 * full.abs().mean()


def test_the_momentum_passes_no_gradient_to_the_class_stack():
    model = model_of()
    model(batch_of([20])).momentum.sum().backward()
    assert all(p.grad is None for p in model.id_stack.parameters())
