"""Particles that a trained network finds in events, as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mlpf.data.batch import Batch
from mlpf.data.events import Events
from mlpf.data.loader import BatchSampler
from mlpf.schema import N_Y, Particle


@dataclass(frozen=True)
class Candidates:
    """Particle candidates of a set of events; P of them in B events.

    Args:
        pid: shape (P,) int64, the class, 1 to 5 as in `mlpf.Particle`.
        charge: shape (P,) int64, -1, 0 or 1.
        pt: shape (P,) float32, transverse momentum in GeV.
        eta: shape (P,) float32, pseudorapidity.
        phi: shape (P,) float32, azimuth in [-pi, pi].
        energy: shape (P,) float32, in GeV.
        offsets: shape (B + 1,) int64; event b has candidates offsets[b] to offsets[b + 1].

    >>> labels = np.array([[3, 0, 2.0, 0.5, 0.0, 1.0, 2.3], [0, 0, 0, 0, 0, 0, 0]])
    >>> photon = Candidates.from_labels(labels, np.array([0, 2]))
    >>> photon.pid.tolist(), photon.pt.tolist(), photon.phi.tolist(), len(photon)
    ([3], [2.0], [0.0], 1)
    """

    pid: NDArray[np.int64]
    charge: NDArray[np.int64]
    pt: NDArray[np.float32]
    eta: NDArray[np.float32]
    phi: NDArray[np.float32]
    energy: NDArray[np.float32]
    offsets: NDArray[np.int64]

    @classmethod
    def from_labels(cls, labels: NDArray[np.floating], offsets: NDArray[np.int64]) -> Candidates:
        """Return the rows of `labels` that are particles, for example of `Events.ygen`.

        Args:
            labels: shape (M, 7), columns `schema.Y_COLUMNS`; rows of class 0 are left out.
            offsets: shape (B + 1,), the events' rows.
        """
        found = labels[:, 0] != Particle.NONE
        pid, charge, pt, eta, sin_phi, cos_phi, energy = labels[found].T
        return cls(
            pid=pid.astype(np.int64),
            charge=charge.astype(np.int64),
            pt=pt.astype(np.float32),
            eta=eta.astype(np.float32),
            phi=np.arctan2(sin_phi, cos_phi).astype(np.float32),
            energy=energy.astype(np.float32),
            offsets=np.concatenate([[0], np.cumsum(found)]).astype(np.int64)[offsets],
        )

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.offsets) - 1


@torch.inference_mode()
def particles(
    network: nn.Module, events: Events, *, max_elements_per_batch: int = 32_000
) -> Candidates:
    """Return the particles that a network finds in events, at most one per detector element.

    The network runs where its parameters are, on batches of whole events. Energy and transverse
    momentum are independent outputs: together they do not determine a mass.

    Args:
        network: in evaluation mode, as `mlpf.load_network` returns it.
        events: any number of events; the labels in them are not used.
        max_elements_per_batch: limits the memory, at least 1; a larger event is a batch by
            itself.

    Raises:
        ValueError: the network is in training mode, where its answer would be random, or
            `max_elements_per_batch` is below 1.

    >>> from mlpf import MLPF
    >>> empty = np.zeros((6, 7), np.float32)
    >>> events = Events(np.ones((6, 12), np.float32), empty, empty, np.array([0, 4, 6]))
    >>> found = particles(MLPF(output_dim=8, num_graph_layers_reg=0).eval(), events)
    >>> len(found), found.pt.shape == found.pid.shape, bool(found.offsets[-1] <= 6)
    (2, True, True)
    """
    if network.training:
        raise ValueError("the network is in training mode: call network.eval() first")
    device = next(network.parameters()).device
    labels = [np.zeros((0, N_Y), np.float32)]
    for indices in BatchSampler(events.sizes, max_elements_per_batch) if len(events) else ():
        batch = Batch.from_events(events.take(indices)).to(device)
        labels.append(network(batch).particles(batch.x).cpu().numpy())
    return Candidates.from_labels(np.concatenate(labels), events.offsets)
