"""How many GPUs a trial has, by how far it has come.

Imported whenever Hydra starts, so it imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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


def read_growth(setting: Any) -> Growth | None:
    """Return GPUs by steps, None if a setting is one number for all steps.

    Raises:
        ValueError: it is neither; the message goes on from the name of the setting.
    """
    if type(setting) is int:
        return None
    rule = "must be a number, or GPUs by steps done such as {0: 1, 9: 4}"
    if not isinstance(setting, Mapping):
        raise ValueError(f"{rule}, got {setting!r}")
    if 0 not in setting or any(type(step) is not int or step < 0 for step in setting):
        raise ValueError(f"{rule} beginning with step 0, got {dict(setting)}")
    if any(type(gpus) is not int or gpus < 1 for gpus in setting.values()):
        raise ValueError(f"{rule} with at least 1 GPU, got {dict(setting)}")
    return Growth(dict(setting))


def n_missing(n_workers: int, n_alive: int, n_startable: int, n_running: int) -> int:
    """Return how many workers of a size to submit for trials that those present will not take.

    Args:
        n_workers: how many there may be.
        n_alive: how many wait in the queue or work.
        n_startable: trials that wait for such a worker.
        n_running: trials that such workers have.

    Example:
        >>> n_missing(8, n_alive=3, n_startable=4, n_running=2)  # one has no trial yet
        3
    """
    return max(0, min(n_workers - n_alive, n_startable - max(0, n_alive - n_running)))
