"""The order of learning curves at a rung, by one opinion or by two.

A noisy value at one epoch says less about the end of a training than the mean over the last
quarter of its curve, and a curve that still falls fast may overtake one that is lower now. So two
opinions pick alternately: the *level* s, that mean, and the *trend* x = s + (s - s at half the
steps), where the curve is if it changes once more as it has since then.

Curves that have not moved at all and are equal, such as an accuracy at chance, say nothing: they
share the best place of them. All other equal ones rank by the number of the trial.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from heapq import merge
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Key = tuple[float, int, int]  # a value, small is good; what decides between equals; the number
Curve = Mapping[int, float]  # reported values by step

_WINDOW = 0.25  # the share of the steps that the level is the mean of
_TIED = -1  # decides between equal curves that have not moved: nothing does


class Opinions(NamedTuple):
    """The keys of a trial at a rung; without a trend the level alone ranks it."""

    level: Key
    trend: Key | None


class Order:
    """Trials at a rung in the order of their opinions."""

    def __init__(self) -> None:
        self._known: dict[int, Opinions] = {}
        self._places: dict[int, int] = {}  # those that were asked for since the last change
        self.by_level, self.by_trend = _Ranked(), _Ranked()

    def __len__(self) -> int:
        """Return how many they are."""
        return len(self._known)

    def set(self, number: int, opinions: Opinions | None) -> None:
        """Place a trial anew, or take it out."""
        self._places.clear()
        before = self._known.pop(number, None)
        for ranked, key in _each(self.by_level, self.by_trend, before):
            ranked.remove(key)
        for ranked, key in _each(self.by_level, self.by_trend, opinions):
            ranked.add(key)
        if opinions is not None:
            self._known[number] = opinions

    def place(self, number: int) -> int | None:
        """Return how many trials are before one; None: it is not here."""
        own = self._known.get(number)
        if own is None:
            return None
        if number not in self._places:
            self._places[number] = self._place(own)
        return self._places[number]

    def _place(self, own: Opinions) -> int:
        by_level = self.by_level.rank(own.level)
        if own.trend is None:
            return by_level
        by_trend = self.by_trend.rank(own.trend)
        n = min(by_level, by_trend)  # both have picked so many before one of them picks this trial
        # If it is the trend that does, the level has picked one more.
        level, trend = self.by_level.first(n + (by_trend < by_level)), self.by_trend.first(n)
        picked = np.zeros(1 + max(level.max(initial=0), trend.max(initial=0)), dtype=bool)
        picked[level] = picked[trend] = True
        return int(picked.sum())

    def is_among(self, number: int, n: int) -> bool:
        """Tell whether a trial is one of the best n; its place is not needed as a rule."""
        own = self._known.get(number)
        if own is None:
            return False
        ranks = [self.by_level.rank(own.level)]
        ranks += [] if own.trend is None else [self.by_trend.rank(own.trend)]
        if min(ranks) >= n:
            return False
        return 2 * min(ranks) + 1 < n or (self.place(number) or 0) < n

    def best_of(self, some: Order) -> Iterator[int]:
        """Yield the numbers of those of another order, which are all here too, by place."""
        picks = merge(
            ((self.by_level.rank(key), 0, key[2]) for key in some.by_level.keys),
            ((self.by_trend.rank(key), 1, key[2]) for key in some.by_trend.keys),
        )
        known = set[int]()
        for *_, number in picks:
            if number not in known:
                known.add(number)
                yield number


class _Ranked:
    """Keys in ascending order, and the numbers of their trials in an array."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self._numbers = np.empty(16, dtype=np.int64)

    def add(self, key: Key) -> None:
        n, at = len(self.keys), bisect_left(self.keys, key)
        if n == len(self._numbers):
            self._numbers = np.concatenate([self._numbers, self._numbers])
        self._numbers[at + 1 : n + 1] = self._numbers[at:n]
        self._numbers[at] = key[2]
        self.keys.insert(at, key)

    def remove(self, key: Key) -> None:
        n, at = len(self.keys), bisect_left(self.keys, key)
        self._numbers[at : n - 1] = self._numbers[at + 1 : n]
        del self.keys[at]

    def rank(self, key: Key) -> int:
        """Return how many keys are before one; those that tie share the first place."""
        return bisect_left(self.keys, key[:2])

    def first(self, n: int) -> NDArray[np.int64]:
        """Return the numbers of the first n trials."""
        return self._numbers[:n]


def _each(
    level: _Ranked, trend: _Ranked, opinions: Opinions | None
) -> Iterator[tuple[_Ranked, Key]]:
    if opinions is not None:
        yield level, opinions.level
        if opinions.trend is not None:
            yield trend, opinions.trend


def first_report(curve: Curve, rung: int) -> int | None:
    """Return the step of the first report at or after a rung; None: there is none."""
    return rung if rung in curve else min((step for step in curve if step > rung), default=None)


def by_last(curve: Curve, rung: int, sign: int, number: int) -> Opinions | None:
    """Return the opinion of the value at a rung.

    Args:
        curve: of the trial.
        rung: steps; a report that jumps over it counts there.
        sign: factor that makes small values good.
        number: of the trial.

    Returns:
        None if there is no value, or it is NaN.
    """
    at = first_report(curve, rung)
    if at is None or math.isnan(curve[at]):
        return None
    return Opinions((sign * curve[at], number, number), None)


def by_two_opinions(curve: Curve, rung: int, sign: int, number: int) -> Opinions | None:
    """Return the opinions of level and trend at a rung, otherwise as `by_last`."""
    at = first_report(curve, rung)
    if at is None or math.isnan(curve[at]):
        return None
    if all(value == curve[at] for step, value in curve.items() if step < at):
        key = (sign * curve[at], _TIED, number)
        return Opinions(key, key)
    level = _mean(curve, at)
    half = first_report(curve, max(1, round(at / 2))) or at
    trend = 2 * level - _mean(curve, half)
    trend = level if math.isnan(trend) else trend
    return Opinions((sign * level, number, number), (sign * trend, number, number))


def _mean(curve: Curve, at: int) -> float:
    """The mean over the last quarter of the steps up to one, which has a value."""
    since = at - max(1, round(_WINDOW * at))
    known = [v for step, v in curve.items() if since < step <= at and not math.isnan(v)]
    mean = sum(known) / len(known) if known else math.nan
    return curve[at] if math.isnan(mean) else mean


Ranking = Callable[[Curve, int, int, int], Opinions | None]
RANKINGS: dict[str, Ranking] = {"two_opinions": by_two_opinions, "last": by_last}


def ranking_of(name: str) -> Ranking:
    """Return the ranking of a name.

    Raises:
        ValueError: there is none.
    """
    if name not in RANKINGS:
        raise ValueError(f"ranking must be {' or '.join(RANKINGS)}, got {name!r}")
    return RANKINGS[name]
