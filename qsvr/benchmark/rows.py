"""Figures of many fits as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import r2_score

from qsvr.benchmark.models import R2, UNTRAINED, Fit
from qsvr.benchmark.run import Fits

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences of R2 and its standard error."""

    mean: float
    se: float


@dataclass(frozen=True)
class Row:
    """One model under one protocol at one fraction of the curve.

    R2 is over all values (fits times pooled variants); `se` is the standard error of the mean over
    fits. Splits overlap, so that standard errors are somewhat too small.
    """

    model: str
    protocol: str
    fraction: float
    n_train: int  # rows, the fewest of all fits
    n_fits: int  # one per split
    best: float
    worst: float
    mean: float
    std: float  # of the values, not of the mean
    se: float
    rho: float  # Spearman's, the mean of all fits
    cpu_s_per_fit: float | None  # None where nothing was computed
    untrained: float  # mean R2 of the untrained prediction on the same splits
    untrained_rho: float
    minus_untrained: Difference
    minus_classical: Difference | None  # of an annealed model to SVR on the same training rows
    r2: tuple[float, ...]  # mean of each fit, for the picture


def make_row(
    fits: Fits, model: str, protocol: str, classical: str | None = None, r2: R2 = r2_score
) -> Row:
    """Summarize the fits of a model, at least two; it is paired with the model `classical`."""
    own, untrained = fits.by_model[model], fits.by_model[UNTRAINED]
    values = np.array([fit.r2(r2) for fit in own])
    per_fit, base = _per_fit(own, r2), _per_fit(untrained, r2)
    other = None if classical is None else _per_fit(fits.by_model[classical], r2)
    return Row(
        model=model,
        protocol=protocol,
        fraction=fits.fraction,
        n_train=fits.n_train,
        n_fits=len(own),
        best=float(values.max()),
        worst=float(values.min()),
        mean=float(values.mean()),
        std=float(values.std()),
        se=_difference(per_fit).se,
        rho=float(np.mean([fit.rho for fit in own])),
        cpu_s_per_fit=float(np.mean([fit.cpu_s for fit in own])) or None,
        untrained=float(base.mean()),
        untrained_rho=float(np.mean([fit.rho for fit in untrained])),
        minus_untrained=_difference(per_fit - base),
        minus_classical=None if other is None else _difference(per_fit - other),
        r2=tuple(per_fit),
    )


def _per_fit(fits: Sequence[Fit], r2: R2) -> Floats:
    return np.array([np.mean(fit.r2(r2)) for fit in fits])


def _difference(values: Floats) -> Difference:
    error = values.std(ddof=1) / np.sqrt(len(values))
    return Difference(float(values.mean()), float(error))
