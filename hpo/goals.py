"""What a study aims at: one objective or several, what prunes, and constraints.

Imported whenever Hydra starts, so it imports nothing heavy.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from commons.cli import did_you_mean
from hpo.settings import SettingError

_BOUND = re.compile(r"\s*(<=|>=)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*")
FIRST = "first"


@dataclass(frozen=True)
class Bound:
    """A constraint on a figure: `sign * (figure - limit)` is at most 0 where it is met."""

    sign: int
    limit: float

    def excess(self, figure: float) -> float:
        """Return by how much a figure is beyond the bound; 0 or less: it is met."""
        return self.sign * (figure - self.limit)


@dataclass(frozen=True)
class Goals:
    """What a study aims at, beside the directions of its objectives.

    Attributes:
        names: of the objectives, in the order in which a training returns them; None: none.
        prune_by: the objective whose value a training reports after each step, by which trials
            are pruned: "first", a name, or None: no pruning.
        constraints: bound by name of a figure that trials report.
        best: weight of each objective in what makes a trial of the front the best one, see
            `hpo.reporting.pareto.Front.best`. Stated as "first", a name, or weights by name.
    """

    names: tuple[str, ...] | None = None
    prune_by: str | None = FIRST
    constraints: Mapping[str, Bound] = field(default_factory=dict)
    best: tuple[float, ...] = (1.0,)

    @property
    def reported(self) -> int:
        """Index of the objective that is reported; the first one where none prunes."""
        names = self.names or ()
        return names.index(self.prune_by) if self.prune_by in names else 0


NAMES = tuple(each.name for each in fields(Goals))


def goals_of(node: Any, directions: Sequence[str]) -> Goals:
    """Return the goals that a mapping states.

    >>> goals_of({"names": ["loss", "ms"], "constraints": {"gb": "<= 4"}}, ["minimize"] * 2)
    Goals(names=('loss', 'ms'), prune_by='first', constraints={'gb': Bound(sign=1, limit=4.0)}, \
best=(1.0, 0.0))

    Raises:
        SettingError: a key or value is wrong; names it.
    """
    if isinstance(node, Goals):
        return node
    if node is not None and not isinstance(node, Mapping):
        rule = "{goals} must be null or a mapping such as {{prune_by: first}}, got {!r}"
        raise SettingError(rule, node)
    chosen = dict(node or {})
    for name in chosen:
        if name not in NAMES:
            raise SettingError("{goals}.{}: no such key{}", name, did_you_mean(str(name), NAMES))
    names = _names(chosen.get("names"), directions)
    prune_by = chosen.get("prune_by", FIRST)
    if prune_by not in (None, FIRST, *(names or ())):
        known = ", ".join([FIRST, *(names or ()), "null"])
        raise SettingError("{goals}.prune_by must be one of {}, got {!r}", known, prune_by)
    best = _weights(chosen.get("best", FIRST), names, len(directions))
    return Goals(names, prune_by, _constraints(chosen.get("constraints")), best)


def directions_of(direction: str | Sequence[str], goals: Any) -> list[str]:
    """Return the direction of each objective: a single one is that of all that goals name.

    >>> directions_of("minimize", {"names": ["loss", "ms"]})
    ['minimize', 'minimize']
    """
    if not isinstance(direction, str):
        return [*direction]
    names = goals.get("names") if isinstance(goals, Mapping) else getattr(goals, "names", None)
    return [direction] * (len(names) if isinstance(names, list | tuple) and names else 1)


def _names(names: Any, directions: Sequence[str]) -> tuple[str, ...] | None:
    if names is None:
        return None
    names = [names] if isinstance(names, str) else names
    are_texts = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    if not are_texts or len(set(names)) != len(directions) or len(names) != len(directions):
        rule = "{goals}.names must be {} different names, one per {direction}, got {!r}"
        raise SettingError(rule, len(directions), names)
    return tuple(names)


def _constraints(node: Any) -> dict[str, Bound]:
    if not isinstance(node or {}, Mapping):
        rule = "{goals}.constraints must be a mapping such as {{peak_memory_gb: '<= 4'}}, got {!r}"
        raise SettingError(rule, node)
    bounds = {}
    for name, text in (node or {}).items():
        found = _BOUND.fullmatch(text) if isinstance(text, str) else None
        try:
            limit = float(found[2]) if found else None
        except ValueError:
            limit = None
        if found is None or limit is None:
            rule = "{goals}.constraints.{} must be a bound such as '<= 4' or '>= 0.9', got {!r}"
            raise SettingError(rule, name, text)
        bounds[str(name)] = Bound(1 if found[1] == "<=" else -1, limit)
    return bounds


def _weights(best: Any, names: Sequence[str] | None, n: int) -> tuple[float, ...]:
    known = [*(names or ())]
    if best == FIRST:
        return (1.0, *[0.0] * (n - 1))
    if isinstance(best, str) and best in known:
        return tuple(float(name == best) for name in known)
    if not isinstance(best, Mapping):
        rule = "{goals}.best must be one of {}, or weights such as {{a: 1, b: 0.5}}, got {!r}"
        raise SettingError(rule, ", ".join([FIRST, *known]), best)
    for name, weight in best.items():
        if name not in known:
            told = f"they are {', '.join(known)}" if known else "{goals}.names has none"
            near = did_you_mean(str(name), known)
            raise SettingError(f"{{goals}}.best.{{}}: no such objective{{}} ({told})", name, near)
        if type(weight) not in (int, float) or not 0 <= weight < math.inf:
            raise SettingError(
                "{goals}.best.{} must be a number of at least 0, got {!r}", name, weight
            )
    if not any(best.values()):
        raise SettingError("{goals}.best: one weight must be more than 0, got {!r}", dict(best))
    return tuple(float(best.get(name, 0)) for name in known)
