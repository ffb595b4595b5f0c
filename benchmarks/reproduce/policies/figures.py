"""Figures of the rows: per table, over all tables, and in pairs.

Tables of one family share their weight: a figure over all tables is the mean over families of the
mean over the family's tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.reproduce.policies.draws import Draws, Measured, measure, sign_test, won_lost
from benchmarks.reproduce.policies.found import Found, at_most, halves
from benchmarks.reproduce.policies.problems import Problem
from benchmarks.reproduce.policies.rows import Row

REFERENCE = "hyperband"
Figures = dict[str, Any]


@dataclass(frozen=True)
class Trial:
    """A row with what it is measured by.

    Attributes:
        measured: on all draws.
        costly: mean share of Hyperband's epochs with resumptions charged to both.
        bar: the best ladder found at no more mean epochs; None: there is none.
        scored: on the draws on which that ladder is scored.
    """

    row: Row
    problem: Problem
    measured: Measured
    costly: float
    bar: Found | None
    scored: Measured


def measure_row(
    row: Row,
    reference: Row | None,
    problem: Problem,
    draws: Draws,
    front: Sequence[Found],
    resume_epochs: float,
) -> Trial:
    """Measure a row of a pool on its draws, beside Hyperband's row if there is one."""
    epochs = np.array(row.epochs, dtype=float)
    there = halves(len(epochs))[1]
    theirs = draws.epochs if reference is None else reference.cost(resume_epochs)
    return Trial(
        row,
        problem,
        measure(draws, problem.tolerance, epochs, row.losses),
        float((row.cost(resume_epochs) / theirs).mean()),
        at_most(front, float(epochs.mean())),
        measure(draws.take(there), problem.tolerance, epochs[there], row.losses[there]),
    )


def of_table(trial: Trial) -> Figures:
    """Return the figures of a row."""
    measured, row = trial.measured, trial.row
    evidence = measured.evidence
    figures: Figures = {
        "table": row.table,
        "method": row.method,
        "workers": row.workers,
        "epochs": float(np.mean(np.array(row.epochs, dtype=float))),
        "share": measured.mean_share,
        "share_reload": trial.costly,
        "p": measured.p,
        "p_se": evidence.error_of_share(measured.p),
        "gap": measured.mean_gap,
        "gap_se": evidence.error_of_mean(measured.gap),
        "duration": None if row.duration is None else float(np.median(row.duration)),
    }
    if trial.bar is not None:
        won, lost = won_lost(trial.scored, trial.bar.scored)
        figures |= {
            "found": {str(epoch): n for epoch, n in trial.bar.ladder.items()},
            "found_p": trial.bar.scored.p,
            "found_gap": trial.bar.scored.mean_gap,
            "found_won": won,
            "found_lost": lost,
        }
    return figures


def over_tables(trials: Sequence[Trial], hyperbands: Sequence[Trial]) -> Figures:
    """Return the figures of a method over its tables, beside Hyperband on the same draws."""
    share, gap = _by_family(trials, _share), _by_family(trials, _gap)
    theirs = _mean(_by_family(hyperbands, _gap))
    pairs = [(t.scored, t.bar.scored) for t in trials if t.bar is not None]
    votes = [won_lost(*pair) for pair in pairs]
    return {
        "method": trials[0].row.method,
        "workers": trials[0].row.workers,
        "tables": len(trials),
        "share": _mean(share),
        "share_se": _error(share),
        "greatest_share": max(share.values()),
        "share_reload": _mean(_by_family(trials, lambda t: t.costly)),
        "p": _mean(_by_family(trials, _p)),
        "worst_p": min(map(_p, trials)),
        "worst_table": min(trials, key=_p).row.table,
        "gap": _mean(gap),
        "gap_se": _error(gap),
        "worst_gap": max(map(_gap, trials)),
        "gap_of_hyperband": _mean(gap) / theirs if theirs else None,
        "found_won": sum(won for won, _ in votes),
        "found_lost": sum(lost for _, lost in votes),
        "found_sign_p": sign_test(pairs),
    }


def inner_of(rows: Iterable[Row]) -> dict[str, str]:
    """Return, for each method whose pruner wraps that of another one, the name of the other."""
    nodes = {row.method: row.node.get("pruner") for row in rows}
    wrapped = {name: node["wrapped"] for name, node in nodes.items() if node and "wrapped" in node}
    return {
        name: other
        for name, inner in wrapped.items()
        for other, node in nodes.items()
        if node == inner
    }


def pair(mine: Sequence[Trial], other: Sequence[Trial]) -> Figures:
    """Compare two methods on the same draws of the same tables."""
    pairs = [(m.measured, o.measured) for m, o in zip(mine, other, strict=True)]
    votes = [won_lost(*each) for each in pairs]
    return {
        "method": mine[0].row.method,
        "other": other[0].row.method,
        "won": sum(won for won, _ in votes),
        "lost": sum(lost for _, lost in votes),
        "sign_p": sign_test(pairs),
        "epochs_ratio": _mean(_by_family(mine, _share)) / _mean(_by_family(other, _share)),
    }


def left_out(by_method: Mapping[str, Sequence[Trial]], cap: float) -> list[Figures]:
    """Choose a method on all families but one, and say what it does on that one.

    Chosen is the smallest mean gap among the methods with at most the mean share `cap`.
    """
    first = next(iter(by_method.values()))
    results = []
    for family in dict.fromkeys(trial.problem.family for trial in first):
        others = {n: [t for t in ts if t.problem.family != family] for n, ts in by_method.items()}
        cheap = {n: ts for n, ts in others.items() if ts and _mean(_by_family(ts, _share)) <= cap}
        if cheap:
            chosen = min(cheap, key=lambda name: _mean(_by_family(cheap[name], _gap)))
            there = [t for t in by_method[chosen] if t.problem.family == family]
            results.append(
                {
                    "family": family,
                    "chosen": chosen,
                    "share": _mean(_by_family(there, _share)),
                    "worst_p": min(map(_p, there)),
                    "gap": _mean(_by_family(there, _gap)),
                }
            )
    return results


def of_sampler(row: Row) -> Figures:
    """Return the figures of sweeps with a sampler: epochs until the tolerance was reached."""
    epochs = sorted(math.inf if e is None else float(e) for e in row.epochs)
    low, high = (float(np.quantile(epochs, q, method="higher")) for q in (0.25, 0.75))
    median = float(np.median(epochs))
    return {
        "table": row.table,
        "method": row.method,
        "workers": row.workers,
        "sweeps": len(epochs),
        "solved": sum(map(math.isfinite, epochs)),
        "median": median if math.isfinite(median) else None,
        "quartiles": [x if math.isfinite(x) else None for x in (low, high)],
    }


def _share(trial: Trial) -> float:
    return trial.measured.mean_share


def _p(trial: Trial) -> float:
    return trial.measured.p


def _gap(trial: Trial) -> float:
    return trial.measured.mean_gap


def _by_family(trials: Iterable[Trial], value: Callable[[Trial], float]) -> dict[str, float]:
    families: dict[str, list[float]] = {}
    for trial in trials:
        families.setdefault(trial.problem.family, []).append(value(trial))
    return {family: float(np.mean(values)) for family, values in families.items()}


def _mean(by_family: Mapping[str, float]) -> float:
    return float(np.mean([*by_family.values()]))


def _error(by_family: Mapping[str, float]) -> float | None:
    """Return the standard error of the mean over families: what another family may change."""
    values = [*by_family.values()]
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 2 else None
