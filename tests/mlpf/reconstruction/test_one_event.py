"""One event's elements in, what the network of the training finds out."""

import numpy as np
import torch

from mlpf import load_network
from mlpf.network.candidates import predict
from mlpf.reconstruction.one_event import OneEvent
from tests.mlpf.reconstruction.conftest import some_events


def test_an_event_alone_gives_what_it_gives_among_others(run):
    network = load_network(run)
    events = some_events(30, 0, 17)
    together = predict(network, events, p_none_max=0.9)
    alone = OneEvent(network, 0.9)
    with torch.no_grad():
        found = [
            alone(torch.from_numpy(events.x[a:b]))
            for a, b in zip(events.offsets, events.offsets[1:], strict=False)
        ]
    for i, expected in ((0, together.probabilities), (2, together.kept)):
        np.testing.assert_allclose(
            torch.cat([f[i] for f in found]), expected, rtol=1e-4, atol=1e-6
        )
    assert [tuple(part.shape) for part in found[1]] == [(0, 6), (0, 3), (0, 7)]
    torch.testing.assert_close(found[0][1].sum(1), torch.ones(30))
