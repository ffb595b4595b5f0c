"""Figures of many fits as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qsvr.benchmark.models import Score

# The table behind the published figures, which are shown for no other one.
MLPF_SHA256 = "83c7ae6933f20379d8edbb733dbc5a5a463009c99ecb3d6d906459c4c14d7fa6"

# best, worst, mean, standard deviation of R2 at 25 % as printed in the published table
PUBLISHED = {
    "SVR, published": (0.959, 0.318, 0.889, 0.050),
    "Sim-QSVR, published": (0.949, 0.383, 0.901, 0.045),
    "QSVR, recorded QPU": (0.948, 0.742, 0.880, 0.056),
}


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

    Attributes:
        n_train: training rows, the fewest of all fits.
        n_fits: number of splits.
        std: standard deviation (not of the mean), of the population, as published.
        rho: mean of Spearman's rho.
        cpu_s_per_fit: CPU seconds of fit and prediction; None where nothing was computed.
        untrained: mean R2 of the untrained prediction on the same splits, untrained_rho its rho.
        minus_untrained: paired difference to it.
        minus_classical: paired difference of an annealed model to SVR on the same training rows.
        published: best, worst, mean, std as published; None where there is none.
        r2: mean R2 of each fit, for the picture.
    """

    model: str
    protocol: str
    fraction: float
    n_train: int
    n_fits: int
    best: float
    worst: float
    mean: float
    std: float
    se: float
    rho: float
    cpu_s_per_fit: float | None
    untrained: float
    untrained_rho: float
    minus_untrained: Difference
    minus_classical: Difference | None
    published: tuple[float, float, float, float] | None
    r2: tuple[float, ...]


def make_row(
    model: str,
    protocol: str,
    fraction: float,
    n_train: int,
    scores: Sequence[Score],
    untrained: Sequence[Score],
    classical: Sequence[Score] | None = None,
    published: tuple[float, float, float, float] | None = None,
) -> Row:
    """Summarise two or more scores of one model.

    `untrained` and `classical` are scores of the same splits, fit by fit, for paired differences.
    Under the protocol "published" R2 has its arguments swapped.
    """
    swap = protocol == "published"
    per_fit, base = _per_fit(scores, swap), _per_fit(untrained, swap)
    values = np.array([each.swapped if swap else each.r2 for each in scores])
    cpu_s = float(np.mean([each.cpu_s for each in scores]))
    return Row(
        model=model,
        protocol=protocol,
        fraction=fraction,
        n_train=n_train,
        n_fits=len(scores),
        best=float(values.max()),
        worst=float(values.min()),
        mean=float(values.mean()),
        std=float(values.std()),
        se=_difference(per_fit).se,
        rho=float(np.mean([each.rho for each in scores])),
        cpu_s_per_fit=cpu_s or None,
        untrained=float(base.mean()),
        untrained_rho=float(np.mean([each.rho for each in untrained])),
        minus_untrained=_difference(per_fit - base),
        minus_classical=None if classical is None else _difference(
            per_fit - _per_fit(classical, swap)
        ),
        published=published,
        r2=tuple(per_fit),
    )  # fmt: skip


def _per_fit(scores: Sequence[Score], swap: bool) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([np.mean(each.swapped if swap else each.r2) for each in scores])


def _difference(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Difference:
    error = values.std(ddof=1) / np.sqrt(len(values))
    return Difference(float(values.mean()), float(error))
