"""Figures of the simulated sweeps of a method, alone and paired with other methods."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpo.curves import Floats
from hpo.simulate.campaign import Outcome, Plan
from hpo.simulate.methods import Method


@dataclass(frozen=True)
class Scores:
    """The n sweeps of a method, scored at the distance `within` from the reference."""

    method: Method
    within: float
    epochs: Floats  # spent; with a sampler those until the distance was reached, else inf
    cost: Floats  # the same with starts and resumptions charged
    reached: NDArray[np.bool_]  # whether the sweep came within the distance
    no_worse: NDArray[np.bool_]  # whether it was at least as good as the reference


def score(plan: Plan, method: Method, outcomes: Sequence[Outcome], within: float) -> Scores:
    """Score the sweeps of a method."""
    charges = plan.start_epochs, plan.resume_epochs
    best = np.array([outcome.run.final for outcome in outcomes])
    reference = np.array([outcome.reference for outcome in outcomes])
    spent = [
        o.run.spent_to(o.reference + within) if method.mode == "sampler" else o.run.spent
        for o in outcomes
    ]
    return Scores(
        method,
        within,
        np.array([math.inf if s is None else s.epochs for s in spent], dtype=float),
        np.array([math.inf if s is None else s.cost(*charges) for s in spent]),
        best <= reference + within,
        best <= reference,
    )


def make_rows(
    plan: Plan,
    methods: Sequence[Method],
    outcomes: Sequence[Sequence[Outcome]],
    tolerance: float,
    settings: dict[str, Any],
) -> list[dict[str, Any]]:
    """Return the rows of `simulate.json`: one per method, with a sampler one per distance.

    Each method is paired with the first of its mode and with every baseline. `settings` are common
    to all rows and needed to repeat them.
    """
    rows = []
    for mode, distances in (("pool", (tolerance,)), ("sampler", plan.within)):
        mine = [(m, o) for m, o in zip(methods, outcomes, strict=True) if m.mode == mode]
        for within in distances:
            scores = [score(plan, method, runs, within) for method, runs in mine]
            partners = [s for i, s in enumerate(scores) if i == 0 or s.method.is_baseline]
            rows += [make_row(s, partners, _settings(plan, s.method, settings)) for s in scores]
    return rows


def make_row(scores: Scores, others: Sequence[Scores], settings: dict[str, Any]) -> dict[str, Any]:
    """Return a row of `simulate.json`, paired with `others` on the same draws."""
    n, epochs, share = len(scores.epochs), scores.epochs, float(scores.reached.mean())
    pool = scores.method.mode == "pool"
    no_worse = float(scores.no_worse.mean())
    return {
        "method": scores.method.name,
        "mode": scores.method.mode,
        "within": scores.within,
        "n": n,
        "median_epochs": _number(np.median(epochs)),
        "mean_epochs": _number(epochs.mean()),
        "quartiles_epochs": [_number(_quantile(epochs, q)) for q in (0.0, 0.25, 0.75, 1.0)],
        "cost": _number(np.median(scores.cost)),
        "p_tol": share,
        "p_leq": no_worse if pool else None,
        "solved": int(scores.reached.sum()),
        "se": {
            "mean_epochs": _number(_standard_error(epochs)),
            "p_tol": math.sqrt(share * (1 - share) / n),
            "p_leq": math.sqrt(no_worse * (1 - no_worse) / n) if pool else None,
        },
        "paired": {o.method.name: pair(scores, o) for o in others if o.method != scores.method},
        "nearest_baseline": _nearest_baseline(scores, others),
        "epochs": [_number(value) for value in epochs],
        "settings": settings,
    }


def pair(scores: Scores, other: Scores) -> dict[str, Any]:
    """Compare two methods on the same draws.

    Returns:
        `wins` and `losses`: sweeps in which only this one, or only the other, came within the
        distance; `p` of the exact two-sided sign test on them; `epochs`: mean difference to the
        other (negative: fewer) where both have a finite number, and its `se`.
    """
    wins = int((scores.reached & ~other.reached).sum())
    losses = int((~scores.reached & other.reached).sum())
    both = np.isfinite(scores.epochs) & np.isfinite(other.epochs)
    difference = scores.epochs[both] - other.epochs[both]
    return {
        "wins": wins,
        "losses": losses,
        "p": sign_test(wins, losses),
        "epochs": float(difference.mean()) if len(difference) else None,
        "se": _number(_standard_error(difference)),
    }


def sign_test(wins: int, losses: int) -> float:
    """Return the exact two-sided p-value of the sign test.

    >>> sign_test(5, 0), sign_test(2, 3), sign_test(0, 0)
    (0.0625, 1.0, 1.0)
    """
    n = wins + losses
    tail = sum(math.comb(n, i) for i in range(min(wins, losses) + 1))
    return min(1.0, tail / 2.0 ** (n - 1))


def _settings(plan: Plan, method: Method, common: dict[str, Any]) -> dict[str, Any]:
    numbers = plan.numbers(method)
    own: dict[str, Any] = {
        "first_seed": numbers.start,
        "n_workers": None if method.is_reference else plan.workers(method),
        "node": method.node,
    }
    if method.mode == "sampler":
        own["budget"] = plan.budget
    return {**common, **own}


def _nearest_baseline(scores: Scores, others: Sequence[Scores]) -> str | None:
    # Of nearly equal mean epochs: this one has to be beaten.
    baselines = [o for o in others if o.method.is_baseline and o.method != scores.method]
    mean = scores.epochs.mean()
    distances = [abs(float(o.epochs.mean() - mean)) for o in baselines]
    return baselines[int(np.argmin(distances))].method.name if baselines else None


def _quantile(values: Floats, q: float) -> float:
    return float(np.quantile(values, q, method="nearest"))  # no mean of a number and inf


def _standard_error(values: Floats) -> float:
    if len(values) < 2 or not np.isfinite(values).all():
        return math.inf
    return float(values.std(ddof=1) / math.sqrt(len(values)))


def _number(value: float | np.floating[Any]) -> float | None:
    return float(value) if math.isfinite(value) else None
