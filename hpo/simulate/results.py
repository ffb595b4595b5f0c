"""Figures of the simulated sweeps of a method, alone and paired with other methods."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpo.curves import Floats
from hpo.simulate.campaign import Outcome, Plan, Pool
from hpo.simulate.evidence import Evidence
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
    evidence: Evidence  # of the draws
    share: Floats | None = None  # epochs / Hyperband's on the same pool; None with a sampler
    gap: Floats | None = None  # see `hpo.simulate.evidence.gap`; None with a sampler


def score(plan: Plan, method: Method, outcomes: Sequence[Outcome], within: float) -> Scores:
    """Score the sweeps of a method."""
    charges = plan.start_epochs, plan.resume_epochs
    best = np.array([outcome.run.final for outcome in outcomes])
    reference = np.array([outcome.reference for outcome in outcomes])
    spent = [
        o.run.spent_to(o.reference + within) if method.mode == "sampler" else o.run.spent
        for o in outcomes
    ]
    epochs = np.array([math.inf if s is None else s.epochs for s in spent], dtype=float)
    pools = [o.pool for o in outcomes if o.pool is not None]
    return Scores(
        method,
        within,
        epochs,
        np.array([math.inf if s is None else s.cost(*charges) for s in spent]),
        best <= reference + within,
        best <= reference,
        _evidence(pools) if pools else Evidence(tuple(range(len(outcomes)))),
        epochs / [pool.epochs for pool in pools] if pools else None,
        np.array([pool.gap for pool in pools]) if pools else None,
    )


def _evidence(pools: Sequence[Pool]) -> Evidence:
    overlap = sum(pool.overlap for pool in pools) / len(pools)
    return Evidence(tuple(pool.winner for pool in pools), overlap)


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
    pool, evidence = scores.method.mode == "pool", scores.evidence
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
        "share": None if scores.share is None else float(scores.share.mean()),
        "gap": None if scores.gap is None else float(scores.gap.mean()),
        "se": {
            "mean_epochs": evidence.error_of_mean(epochs),
            "p_tol": evidence.error_of_share(share),
            "p_leq": evidence.error_of_share(no_worse) if pool else None,
            "gap": None if scores.gap is None else evidence.error_of_mean(scores.gap),
        },
        "evidence": {
            "overlap": evidence.overlap if pool else None,
            "winners": len(set(evidence.winners)) if pool else None,
            "independent": evidence.independent,
            "text": str(evidence) if pool else None,
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
        distance; `p` of the exact two-sided sign test, one vote for each winner; `epochs`: mean
        difference to the other (negative: fewer) where both have a finite number, and its `se`.
    """
    won = scores.reached.astype(int) - other.reached.astype(int)
    both = np.isfinite(scores.epochs) & np.isfinite(other.epochs)
    difference = scores.epochs[both] - other.epochs[both]
    return {
        "wins": int((won > 0).sum()),
        "losses": int((won < 0).sum()),
        "p": scores.evidence.sign_test(won.tolist()),
        "epochs": float(difference.mean()) if len(difference) else None,
        "se": scores.evidence.error_of_mean(difference) if len(difference) > 1 else None,
    }


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


def _number(value: float | np.floating[Any]) -> float | None:
    return float(value) if math.isfinite(value) else None
