"""What a study aims at: one objective or several, what prunes, and constraints.

Imported whenever Hydra starts, so it imports nothing heavy.
"""

from __future__ import annotations

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
    """

    names: tuple[str, ...] | None = None
    prune_by: str | None = FIRST
    constraints: Mapping[str, Bound] = field(default_factory=dict)

    @property
    def reported(self) -> int:
        """Index of the objective that is reported; the first one where none prunes."""
        names = self.names or ()
        return names.index(self.prune_by) if self.prune_by in names else 0


NAMES = tuple(each.name for each in fields(Goals))


def goals_of(node: Any, directions: Sequence[str]) -> Goals:
    """Return the goals that a mapping states.

    >>> goals_of({"names": ["loss", "ms"], "constraints": {"gb": "<= 4"}}, ["minimize"] * 2)
    Goals(names=('loss', 'ms'), prune_by='first', constraints={'gb': Bound(sign=1, limit=4.0)})

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
    return Goals(names, prune_by, _constraints(chosen.get("constraints")))


def _names(names: Any, directions: Sequence[str]) -> tuple[str, ...] | None:
    if names is None:
        return None
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
