"""Hyperparameters on scales from 0 to 1: numbers by their place in the range, choices by a rule.

Committed results rest on the exact roundings here, so `to_unit` takes the difference of two
logarithms and `apart` the logarithm of a quotient.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution


def to_unit(distribution: BaseDistribution, values: Any) -> NDArray[np.float64]:
    """Return values of one hyperparameter on [0, 1], in the shape of `values`.

    Linear from the lowest to the highest, or logarithmic if the distribution is; the choices of a
    categorical one are ascending numbers and lie at their values. A constant is 0.

    Raises:
        TypeError: there is no scale for this kind of distribution.
    """
    low, high, is_log = _range(distribution)
    if low == high:
        return np.zeros(np.shape(values))
    scale: Any = np.asarray
    if is_log:
        scale = math.log if isinstance(values, int | float) else np.log
    unit = (scale(values) - scale(low)) / (scale(high) - scale(low))
    return np.asarray(unit, dtype=np.float64)


def apart(distribution: BaseDistribution, a: Any, b: Any) -> float:
    """Return the distance from `a` to `b` on the scale, in [-1, 1]; different choices: 1.

    The distribution has more than one value.
    """
    if isinstance(distribution, CategoricalDistribution):
        return float(a != b)
    low, high, is_log = _range(distribution)
    if is_log:
        return math.log(b / a) / math.log(high / low)
    return float((b - a) / (high - low))


def all_apart(
    distribution: BaseDistribution, a: NDArray[np.float64], b: float
) -> NDArray[np.float64]:
    """Return what `apart` says of each of many values and one; a choice is given by its number."""
    if isinstance(distribution, CategoricalDistribution):
        return np.where(np.isnan(a), np.nan, a != b)
    low, high, is_log = _range(distribution)
    if is_log:
        return np.asarray(np.log(b / a) / math.log(high / low))
    return np.asarray((b - a) / (high - low))


def choice(distribution: CategoricalDistribution, value: Any) -> list[float]:
    """Return a choice as coordinates in [0, 1].

    Choices that are numbers or truth values have one coordinate, by their rank; others have one
    each, which is 1 for the choice that is taken and 0 for the others.
    """
    choices: tuple[Any, ...] = distribution.choices
    if not is_ordered(distribution):
        return [float(each == value) for each in choices]
    return [sum(each < value for each in choices) / (len(choices) - 1)]


def is_ordered(distribution: CategoricalDistribution) -> bool:
    """Tell whether all choices are numbers or truth values."""
    return all(isinstance(each, int | float) for each in distribution.choices)  # False < True


def _range(distribution: Any) -> tuple[Any, Any, bool]:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0], distribution.choices[-1], False
    try:
        return distribution.low, distribution.high, distribution.log
    except AttributeError:
        raise TypeError(f"no scale for {distribution}") from None
