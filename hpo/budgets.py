"""The budgets of a study, as its user states them: each of them ends the sweep.

Imported whenever Hydra starts, so it imports nothing heavy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from commons.cli import did_you_mean
from hpo.settings import SettingError

_COUNTS = ("epochs", "patience_trials")


@dataclass(frozen=True)
class Budget:
    """What a study may cost, and when it is good enough; None: no such limit.

    Attributes:
        epochs: reported values of all trials.
        core_hours: cores that workers occupy x time, their start and idle time included (h).
        gpu_hours: the same of GPUs (h).
        energy_kwh: what the counters of processors and GPUs show (kWh), where they can be read.
        target: a complete trial that meets all constraints is as good as this, in the study's
            direction; of several objectives the first counts.
        patience_trials: so many trials in a row were complete or pruned, and none was better
            than the best before them.
    """

    epochs: int | None = None
    core_hours: float | None = None
    gpu_hours: float | None = None
    energy_kwh: float | None = None
    target: float | None = None
    patience_trials: int | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is any."""
        return any(value is not None for value in vars(self).values())


NAMES = tuple(field.name for field in fields(Budget))


def budget_of(node: Any) -> Budget:
    """Return the budget that a mapping states.

    >>> budget_of({"core_hours": 50, "target": None})
    Budget(epochs=None, core_hours=50, gpu_hours=None, energy_kwh=None, target=None, \
patience_trials=None)

    Raises:
        SettingError: there is no such budget, or its value is none; names it.
    """
    if isinstance(node, Budget):
        return node
    if node is not None and not isinstance(node, Mapping):
        rule = "{budget} must be null or a mapping such as {{core_hours: 50}}, got {!r}"
        raise SettingError(rule, node)
    chosen = dict(node or {})
    for name, value in chosen.items():
        if name not in NAMES:
            hint = did_you_mean(str(name), NAMES)
            raise SettingError("{budget}.{}: no such budget{}", name, hint)
        if value is not None and (what := _fault(name, value)):
            raise SettingError("{budget}.{} must be {} or null, got {!r}", name, what, value)
    return Budget(**chosen)


def _fault(name: str, value: Any) -> str | None:
    """Return what a value must be, None if it is that."""
    is_number = type(value) in (int, float) and math.isfinite(value)
    if name == "target":
        return None if is_number else "a number"
    if name in _COUNTS:
        return None if type(value) is int and value > 0 else "a whole number of at least 1"
    return None if is_number and value > 0 else "a number of more than 0"
