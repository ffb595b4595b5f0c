"""Whether an exported network gives what the network in PyTorch gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from mlpf.reconstruction.one_event import OneEvent

MAX_DLOGIT: Final = 1e-3
MIN_EQUAL: Final = 0.9999
_TINY: Final = 1e-30  # below it a probability has lost its digits

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Agreement:
    """How far two runs of a network are apart, over all elements of some events."""

    n_events: int
    n_elements: int
    max_dlogit: float  # largest difference of a logarithm of a class probability
    share_equal: float  # of the elements, with the same class

    @property
    def is_met(self) -> bool:
        """Whether the two are the same for physics."""
        return self.max_dlogit < MAX_DLOGIT and self.share_equal > MIN_EQUAL

    def __str__(self) -> str:
        return (
            f"{self.n_events} events, {self.n_elements} elements: largest difference of a logit "
            f"{self.max_dlogit:.1e} (below {MAX_DLOGIT:.0e} is needed), same class for "
            f"{100 * self.share_equal:.3f} % (above {100 * MIN_EQUAL:.2f} % is needed)"
        )


def compare(
    network: OneEvent, run: Callable[[Floats], Sequence[Floats]], events: Sequence[Floats]
) -> Agreement:
    """Compare a network in PyTorch with its exported form.

    Args:
        network: in evaluation mode.
        run: the exported form; from x, shape (N, 12), to probabilities, charges and particles.
        events: x of each event.
    """
    largest, n_equal, n_elements = 0.0, 0, 0
    for x in events:
        with torch.inference_mode():
            ours = network(torch.from_numpy(x))
        theirs = run(x)
        expected, found = ours[0].numpy(), theirs[0]
        difference = np.log(np.maximum(expected, _TINY)) - np.log(np.maximum(found, _TINY))
        # A NaN must not pass: np.max keeps it, and no comparison with it is true.
        largest = float(np.max(np.abs(difference), initial=largest))
        same_class = ours[2][:, 0].numpy() == theirs[2][:, 0]
        n_equal += int(np.sum(same_class & (expected.argmax(1) == found.argmax(1))))
        n_elements += len(x)
    return Agreement(len(events), n_elements, largest, n_equal / max(n_elements, 1))
