"""What a trained network finds in events: probabilities and particles, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mlpf.data.batch import Batch
from mlpf.data.candidates import Candidates
from mlpf.data.events import Events
from mlpf.data.loader import BatchSampler
from mlpf.schema import N_CLASSES, N_Y

P_NONE_MAX = 0.7  # below this probability of no particle, an element counts as one for jets, MET
_WIDTHS = (N_CLASSES, N_Y, N_Y)


@dataclass(frozen=True)
class Predicted:
    """The answers of a network for the M elements of a set of events, in their order.

    Args:
        probabilities: shape (M, 6) float32, of the classes `mlpf.Particle`; a row has the sum 1.
        argmax: shape (M, 7) float32, columns `schema.Y_COLUMNS`, the particle of the most probable
            class; all zero where that is class 0. It is right about the most elements.
        kept: the same, but an element is a particle wherever the probability of class 0 is below
            `p_none_max`. Fewer particles are lost, so sums over particles are nearer to the truth.
    """

    probabilities: NDArray[np.float32]
    argmax: NDArray[np.float32]
    kept: NDArray[np.float32]


@torch.inference_mode()
def predict(
    network: nn.Module,
    events: Events,
    *,
    p_none_max: float = P_NONE_MAX,
    max_elements_per_batch: int = 32_000,
) -> Predicted:
    """Return what a network finds in events, in one pass over them.

    The network runs where its parameters are, on batches of whole events.

    Args:
        network: in evaluation mode, as `mlpf.load_network` returns it.
        events: any number of events; the labels in them are not used.
        p_none_max: for `Predicted.kept`, in (0, 1].
        max_elements_per_batch: limits the memory, at least 1; a larger event is a batch by
            itself.

    Raises:
        ValueError: the network is in training mode, where its answer would be random, or a number
            is out of its range.
    """
    if network.training:
        raise ValueError("the network is in training mode: call network.eval() first")
    device = next(network.parameters()).device
    parts = [tuple(np.zeros((0, width), np.float32) for width in _WIDTHS)]
    for indices in BatchSampler(events.sizes, max_elements_per_batch) if len(events) else ():
        batch = Batch.from_events(events.take(indices)).to(device)
        found = network(batch)
        kept = found.particles(batch.x, p_none_max)
        answers = (found.probabilities, found.particles(batch.x), kept)
        parts.append(tuple(answer.float().cpu().numpy() for answer in answers))
    return Predicted(*map(np.concatenate, zip(*parts, strict=True)))


def particles(
    network: nn.Module,
    events: Events,
    *,
    p_none_max: float | None = None,
    max_elements_per_batch: int = 32_000,
) -> Candidates:
    """Return the particles that a network finds in events, at most one per detector element.

    Args:
        network: in evaluation mode, as `mlpf.load_network` returns it.
        events: any number of events; the labels in them are not used.
        p_none_max: an element is a particle if its probability of being none is below this, in
            (0, 1]; None: if "none" is not its most probable class.
        max_elements_per_batch: limits the memory, at least 1; a larger event is a batch by
            itself.

    Raises:
        ValueError: the network is in training mode, where its answer would be random, or a number
            is out of its range.

    >>> from mlpf import MLPF
    >>> empty = np.zeros((6, 7), np.float32)
    >>> events = Events(np.ones((6, 12), np.float32), empty, empty, np.array([0, 4, 6]))
    >>> found = particles(MLPF(output_dim=8, num_graph_layers_reg=0).eval(), events)
    >>> len(found), found.pt.shape == found.pid.shape, bool(found.offsets[-1] <= 6)
    (2, True, True)
    """
    threshold = P_NONE_MAX if p_none_max is None else p_none_max
    found = predict(
        network, events, p_none_max=threshold, max_elements_per_batch=max_elements_per_batch
    )
    labels = found.argmax if p_none_max is None else found.kept
    return Candidates.from_labels(labels, events.offsets)
