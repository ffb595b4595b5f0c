"""How many GPUs a trial has, by how far it has come.

Imported whenever Hydra starts, so it imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Growth:
    """GPUs of a trial by the steps that it has done.

    Attributes:
        gpus: number by step, at least 1; it holds from that step to the next one. Step 0 is there.
    """

    gpus: Mapping[int, int]

    @property
    def sizes(self) -> list[int]:
        """The numbers of GPUs that occur, ascending."""
        return sorted({*self.gpus.values()})

    def after(self, step: int) -> int:
        """Return the GPUs of a trial that has done `step` steps.

        >>> growth = Growth({0: 1, 3: 2, 9: 4})
        >>> [growth.after(step) for step in (0, 2, 3, 8, 9, 100)]
        [1, 1, 2, 2, 4, 4]
        """
        return self.gpus[max(begin for begin in self.gpus if begin <= step)]
