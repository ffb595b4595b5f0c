"""The bootstrap over events, whose draws do not depend on the order of the events.

Elements of one event are correlated, so whole events are drawn. The multiplicity of an event in a
draw is a Poisson number of mean 1 ([Chamandy2012]_) from a generator that the event's own content
seeds. So events can be added one after another, in any order, and figures of the same events share
their draws: the spread of a difference is that of paired events.

.. [Chamandy2012] Estimating uncertainty for massive data streams, Google technical report.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from mlpf.data.events import Events

Keys = NDArray[np.uint64]
Weights = NDArray[np.uint8]


def event_keys(events: Events) -> Keys:
    """Return a number of 64 bits for each event, shape (B,), from its features and its truth."""
    keys = []
    for first, last in zip(events.offsets[:-1], events.offsets[1:], strict=True):
        digest = hashlib.blake2b(digest_size=8)
        for array in (events.x, events.ygen):
            digest.update(np.ascontiguousarray(array[first:last]).data.cast("B"))
        keys.append(int.from_bytes(digest.digest(), "little"))
    return np.array(keys, np.uint64)


def draw_weights(keys: Keys, *, n_draws: int, seed: int) -> Weights:
    """Return how often each event occurs in each draw, shape (1 + n_draws, B).

    The first row is one everywhere: all events as they are.

    Args:
        keys: of `event_keys`.
        n_draws: at least 0.
        seed: at least 0.

    >>> weights = draw_weights(np.arange(1000, dtype=np.uint64), n_draws=2, seed=1)
    >>> int(weights[0].sum()), bool(abs(weights[1].mean() - 1) < 0.1)
    (1000, True)
    """
    weights = np.ones((1 + n_draws, len(keys)), np.uint8)
    if n_draws:
        for i, key in enumerate(keys.tolist()):
            generator = np.random.Generator(np.random.Philox(key=(seed << 64) + key))
            weights[1:, i] = generator.poisson(1.0, n_draws)
    return weights
