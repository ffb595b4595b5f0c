"""Particles as a physicist gets them: decoded, per event, whatever the batches."""

import numpy as np
import pytest
import torch

from mlpf import MLPF, Events, Particle, particles
from mlpf.data.batch import Batch
from mlpf.data.events import concatenate, from_arrays
from mlpf.network.candidates import predict


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return MLPF(output_dim=8, distance_dim=4, num_graph_layers_reg=1, bin_size=8).eval()


def events_of(*sizes):
    """Events of random elements of order 1."""
    rng = np.random.default_rng(0)
    x = [np.abs(rng.standard_normal((n, 12))) + 0.5 for n in sizes]
    for event in x:
        event[:, 0] = rng.integers(1, 3, len(event))
    y = [np.zeros((n, 7)) for n in sizes]
    return from_arrays(x, y, y)


def test_particles_are_the_decoded_predictions_of_each_event(network):
    events = events_of(9, 20)
    found = particles(network, events)
    for event in range(2):
        alone = particles(network, events.take([event]))
        first, last = found.offsets[event : event + 2]
        assert found.pid[first:last].tolist() == alone.pid.tolist()
        np.testing.assert_allclose(found.pt[first:last], alone.pt, rtol=1e-5)
        np.testing.assert_allclose(found.energy[first:last], alone.energy, rtol=1e-5)
    assert 0 < len(found.pid) <= 29
    assert set(found.pid) <= {1, 2, 3, 4, 5}
    neutral = np.isin(found.pid, (Particle.NEUTRAL_HADRON, Particle.PHOTON))
    assert (np.abs(found.charge) == np.where(neutral, 0, 1)).all()
    assert (found.pt > 0).all()
    assert (np.abs(found.phi) <= np.pi).all()


@pytest.mark.parametrize("limit", [1, 10, 25, 1000])
def test_the_size_of_the_batches_changes_nothing(network, limit):
    events = events_of(9, 0, 20, 3, 0)
    expected = particles(network, events)
    found = particles(network, events, max_elements_per_batch=limit)
    assert found.offsets.tolist() == expected.offsets.tolist()
    assert found.pid.tolist() == expected.pid.tolist()
    np.testing.assert_allclose(found.pt, expected.pt, rtol=1e-5)


def test_no_event_and_an_empty_event_have_no_particles(network):
    empty = events_of(0)
    assert particles(network, empty).offsets.tolist() == [0, 0]
    none = empty.take([])
    assert isinstance(none, Events)
    assert len(particles(network, none)) == 0


def test_thousands_of_events_keep_their_order(network):
    few = events_of(2, 5, 3)
    many = concatenate([few] * 1000)
    found, once = particles(network, many), particles(network, few)
    assert len(found) == 3000
    assert found.offsets[:4].tolist() == once.offsets.tolist()
    assert found.pid.tolist() == once.pid.tolist() * 1000


def test_a_network_in_training_mode_is_refused():
    with pytest.raises(ValueError, match=r"call network\.eval\(\) first"):
        particles(MLPF(output_dim=8, dropout=0.5), events_of(3))


def test_a_batch_without_elements_is_refused(network):
    with pytest.raises(ValueError, match="max_elements must be >= 1, got 0"):
        particles(network, events_of(3), max_elements_per_batch=0)


def test_events_of_double_precision_give_the_same_particles(network):
    events = events_of(4, 6)
    double = Events(events.x.astype(float), events.ygen, events.ycand, events.offsets)
    np.testing.assert_array_equal(particles(network, double).pt, particles(network, events).pt)


def test_one_pass_gives_probabilities_and_both_decodings(network):
    events = events_of(9, 0, 20)
    found = predict(network, events, p_none_max=0.9)
    batch = Batch.from_events(events)
    with torch.no_grad():
        expected = network(batch)
    np.testing.assert_allclose(found.probabilities.sum(1), 1.0, rtol=1e-5)
    assert found.argmax[:, 0].tolist() == found.probabilities.argmax(1).tolist()
    assert (found.kept[:, 0] > 0).tolist() == (found.probabilities[:, 0] < 0.9).tolist()
    is_particle = found.kept[:, 0] > 0
    best = found.probabilities[:, 1:].argmax(1) + 1
    assert found.kept[is_particle, 0].tolist() == best[is_particle].tolist()
    assert is_particle.sum() > (found.argmax[:, 0] > 0).sum()
    both = found.argmax[:, 0] > 0
    np.testing.assert_array_equal(found.kept[both], found.argmax[both])
    np.testing.assert_allclose(found.argmax, expected.particles(batch.x).numpy(), rtol=1e-5)
    assert [a.dtype for a in (found.probabilities, found.argmax, found.kept)] == [np.float32] * 3


def test_particles_may_be_kept_by_their_probability(network):
    events = events_of(30)
    kept = predict(network, events, p_none_max=0.95).kept
    found = particles(network, events, p_none_max=0.95)
    assert found.pid.tolist() == kept[kept[:, 0] > 0, 0].tolist()
    assert len(found.pid) > len(particles(network, events).pid)


@pytest.mark.parametrize("p_none_max", [0.0, -0.1, 1.01, float("nan")])
def test_an_impossible_threshold_is_refused(network, p_none_max):
    with pytest.raises(ValueError, match=r"p_none_max must be in \(0, 1\], got"):
        predict(network, events_of(3), p_none_max=p_none_max)
