"""A network as a function of one event's elements: what is exported, normalization included."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from mlpf.data.batch import Batch
from mlpf.schema import N_Y

OUTPUTS: Final = ("pid", "charge", "particles")


class OneEvent(nn.Module):
    """The network of a training, the same module, for the N elements of one event.

    Args:
        network: in evaluation mode.
        p_none_max: an element is a particle if its probability of class 0 is below this, in
            (0, 1].
    """

    def __init__(self, network: nn.Module, p_none_max: float) -> None:
        super().__init__()
        self.network, self.p_none_max = network, p_none_max

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the network finds; N may be 0.

        Args:
            x: shape (N, 12), columns `schema.X_COLUMNS`.

        Returns:
            Probabilities of the classes, shape (N, 6), those of the charges -1, 0 and 1, (N, 3),
            and the particles, (N, 7), columns `schema.Y_COLUMNS`, all 0 where none is.
        """
        n_elements = x.shape[0]
        nothing = x.new_zeros(n_elements, N_Y)
        offsets = torch.arange(2, device=x.device) * n_elements
        found = self.network(Batch(x, nothing, nothing, offsets))
        particles = found.particles(x, self.p_none_max)
        return found.probabilities, found.charge.softmax(1), particles
