"""What every network must do, whatever its layers: one parametrized set over conf/model."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from mlpf.config import config_dir
from mlpf.data.batch import Batch
from mlpf.network import gravnet
from mlpf.network.bins import Hashing
from mlpf.network.transformer import Rotation
from mlpf.schema import N_Y

TINY = {
    "num_graph_layers_id": 2,
    "num_graph_layers_reg": 1,
    "output_dim": 8,
    "distance_dim": 4,
    "ffn_dist_hidden_dim": 8,
    "decoder_width": 8,
    "bin_size": 8,
    "n_neighbors": 5,
    "message_dim": 6,
    "num_heads": 2,
    "ffn_hidden_dim": 8,
}
LARGER = {"bin_size": 100, "n_neighbors": 100}  # than any event here
SIZES = [13, 0, 30, 1, 3]
OPTIONS = sorted(file.stem for file in Path(config_dir(), "model").glob("*.yaml"))


def network_of(option, seed=0, **changes):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        config = compose(overrides=[f"+model={option}"]).model
    sizes = {key: value for key, value in {**TINY, **changes}.items() if key in config}
    torch.manual_seed(seed)
    network = instantiate(config, **sizes).double()
    for parameter in network.momentum_heads.parameters():
        torch.nn.init.normal_(parameter)  # at zero they would hide what the layers do
    return network


@pytest.fixture(params=OPTIONS)
def option(request):
    return request.param


def elements(n, seed=0):
    """Half towers, half tracks."""
    rng = np.random.default_rng(seed)
    eta, phi = rng.uniform(-3, 3, n), rng.uniform(-3, 3, n)
    pt, track = rng.exponential(3, n) + 0.3, np.arange(n) % 2
    energy, direction = pt * np.cosh(eta), np.stack([eta, np.sin(phi), np.cos(phi)], 1)
    ecal = rng.integers(0, 2, n)
    deposits = np.stack([ecal * energy, (1 - ecal) * energy, np.zeros(n)], 1)
    columns = [1 + track, pt, direction, energy, np.where(track[:, None], direction, deposits)]
    flags = np.stack([rng.choice([-1, 1], n), np.zeros(n), np.zeros(n)], 1) * track[:, None]
    return torch.from_numpy(np.column_stack([*columns, flags]))


def batch_of(events):
    x = torch.cat(events)
    labels = x[:, :N_Y]
    return Batch(x, labels, labels, torch.tensor([0, *map(len, events)]).cumsum(0))


def outputs(network, events):
    """Everything that the network says of each event."""
    prediction = network(batch_of(events))
    rows = torch.cat([prediction.logits, prediction.charge, prediction.momentum], 1)
    return rows.split([len(event) for event in events])


def assert_equal(found, expected):
    torch.testing.assert_close(torch.cat(found), torch.cat(expected), atol=1e-10, rtol=0)


@pytest.fixture
def events():
    return list(elements(sum(SIZES)).split(SIZES))


def test_an_event_does_not_depend_on_the_others_of_its_batch_nor_on_their_order(option, events):
    network = network_of(option)
    alone = [outputs(network, [event])[0] for event in events]
    assert_equal(outputs(network, events), alone)
    assert_equal(outputs(network, events[::-1])[::-1], alone)


def test_the_order_of_the_elements_does_not_matter(option, events):
    network = network_of(option)
    order = [torch.randperm(n, generator=torch.Generator().manual_seed(n)) for n in SIZES]
    shuffled = [event[rows] for event, rows in zip(events, order, strict=True)]
    expected = [out[rows] for out, rows in zip(outputs(network, events), order, strict=True)]
    assert_equal(outputs(network, shuffled), expected)


def test_an_element_sends_messages_to_all_of_its_event_and_to_no_others(option):
    network = network_of(option)
    layer, layout = network.id_stack.layers[0], network.layout(torch.tensor([0, 4, 8]), 8)
    x, position = torch.randn(8, TINY["output_dim"]).double(), torch.zeros(8, 3).double()
    before = layer(x, position, layout)
    x[0, 0] += 1.0
    change = (layer(x, position, layout) - before).abs().amax(1)
    assert change[:4].gt(0).all()
    assert change[4:].eq(0).all()


@pytest.mark.parametrize("sizes", [[0], [0, 0], [1], [3, 0, 2]])
def test_tiny_and_empty_events_can_be_trained_on(option, sizes):
    network = network_of(option)
    total = torch.cat(outputs(network, elements(sum(sizes)).split(sizes))).sum()
    total.backward()
    assert total.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_every_parameter_is_trained(option, events):
    network = network_of(option)
    torch.cat(outputs(network, events)).square().sum().backward()
    idle = [
        n for n, p in network.named_parameters() if not p.grad.isfinite().all() or not p.grad.any()
    ]
    assert not idle


def test_bins_or_neighborhoods_larger_than_the_events_change_nothing(option, events):
    exact = {"bin_size": 30, "n_neighbors": 30}  # the largest event
    network, larger = network_of(option, **exact), network_of(option, **LARGER)
    larger.load_state_dict(network.state_dict())
    assert_equal(outputs(larger, events), outputs(network, events))


def test_a_state_dict_brings_a_network_back(option, events):
    network, other, file = network_of(option), network_of(option, seed=1), io.BytesIO()
    torch.save(network.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(torch.cat(outputs(other, events)), torch.cat(outputs(network, events)))


@pytest.fixture
def decisions(monkeypatch):
    """What layers derive from places: bins, neighbors, or angles of rotation."""
    made = []

    def spy(owner, name, chosen):
        method = getattr(owner, name)

        def spied(*args):
            result = method(*args)
            made.append(chosen(result))
            return result

        monkeypatch.setattr(owner, name, spied)

    spy(Hashing, "forward", lambda binning: binning.slot)
    spy(gravnet, "find_neighbors", lambda neighbors: neighbors.source)
    spy(Rotation, "angles", torch.stack)
    return made


def test_bfloat16_changes_neither_places_nor_bins_nor_neighbors(option, decisions):
    network = network_of(option).float().eval()
    layer, batch = network.id_stack.layers[0], batch_of([elements(200).float()])
    for parameter in getattr(layer, "embed", torch.nn.Module()).parameters():
        parameter.data.zero_()  # places alone decide
    layout = network.layout(batch.offsets, 200)
    x, position = torch.randn(200, TINY["output_dim"]), torch.randn(200, 3)
    layer(x, position, layout)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer(x, position, layout)
    assert len(decisions) == 2
    assert torch.equal(*decisions)


def test_bfloat16_stays_near_float32(option):
    network = network_of(option).float().eval()
    batch = batch_of([elements(n, n).float() for n in (50, 0, 30)])
    full = network(batch).logits
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = network(batch).logits.float()
    mixed.sum().backward()
    trained = [p.grad for p in network.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in trained)
    # A few elements may change bins or neighbors; most agree to the eight bits of bfloat16.
    assert (mixed - full).abs().median() < 0.05 * full.abs().mean()
