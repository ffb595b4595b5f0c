"""How the hyperparameters of a trial that replaces another one follow from those of its parent.

.. [Parker2020] Provably Efficient Online Hyperparameter Optimization with Population-Based
   Bandits, arXiv:2002.02518.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial

from commons.optuna_internals import contains
from commons.rungs import sign
from commons.unit_cube import to_unit
from hpo.search.lineage import curve

_FACTORS = (0.8, 1.2)
_N_CANDIDATES = 200
_KAPPA = 2.0  # standard deviations that ignorance is worth
_MIN_POINTS = 4  # with fewer improvements the bandit perturbs
_MAX_POINTS = 500  # the newest ones: a fit takes their number to the third power

Explorer = Callable[
    [Study, FrozenTrial, Mapping[int, FrozenTrial], int, float, np.random.Generator],
    dict[str, Any],
]


def perturb(
    study: Study,
    parent: FrozenTrial,
    trials: Mapping[int, FrozenTrial],
    interval: int,
    resample: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return the parent's hyperparameters, each times 0.8 or 1.2, or drawn anew.

    A whole number changes by one step at least; a choice changes only when it is drawn anew.

    Args:
        study: of the trials.
        parent: its hyperparameters change.
        trials: all of the study, by number; not used.
        interval: steps between two comparisons; not used.
        resample: probability that a hyperparameter is drawn anew.
        rng: source of all random numbers.
    """
    del trials, interval
    drawing = RandomSampler(seed=int(rng.integers(2**32)))
    params = {}
    for name, value in parent.params.items():
        distribution, factor = parent.distributions[name], rng.choice(_FACTORS)
        if rng.random() < resample:
            value = drawing.sample_independent(study, parent, name, distribution)
        elif not isinstance(distribution, CategoricalDistribution):
            value = _moved(distribution, value, float(factor))
        params[name] = value
    return params


def bandit(
    study: Study,
    parent: FrozenTrial,
    trials: Mapping[int, FrozenTrial],
    interval: int,
    resample: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return the hyperparameters that promise most, as PB2 [Parker2020]_ chooses them.

    A Gaussian process learns the improvement over an interval from its time, the value before it
    and the hyperparameters that are numbers. Of random points in the space and of perturbed ones,
    the one with the largest upper confidence bound is taken. Unlike in PB2, time is an input of
    the kernel (Matern, its lengths are fitted) like the others. Choices change as in `perturb`.

    Args and result are those of `perturb`.
    """
    perturbed = perturb(study, parent, trials, interval, resample, rng)
    ranges = {
        name: distribution
        for name, distribution in parent.distributions.items()
        if not isinstance(distribution, CategoricalDistribution) and not distribution.single()
    }
    points, gains = _improvements(study, trials, interval, ranges)
    if len(gains) < _MIN_POINTS or not ranges:
        return perturbed
    drawing = RandomSampler(seed=int(rng.integers(2**32)))
    candidates = [perturbed] + [
        {n: drawing.sample_independent(study, parent, n, d) for n, d in ranges.items()}
        for _ in range(_N_CANDIDATES)
    ]
    past = curve(parent, trials)
    step = max(past)
    now = [[step, sign(study) * past[step], *_units(ranges, each)] for each in candidates]
    best = int(np.argmax(_upper_bounds(points, gains, np.array(now))))
    return perturbed | {name: candidates[best][name] for name in ranges}


EXPLORERS: dict[str, Explorer] = {"perturb": perturb, "bandit": bandit}


def _moved(distribution: BaseDistribution, value: Any, factor: float) -> Any:
    """Return a number times a factor, at the nearest place that the distribution has."""
    range_: Any = distribution
    low, high, step = range_.low, range_.high, range_.step
    moved = float(np.clip(value * factor, low, high))
    if step is None:
        return moved
    n_steps = round((moved - low) / step)
    if low + n_steps * step == value:
        n_steps += 1 if (value * factor > value) else -1
    n_steps = max(0, min(n_steps, math.floor((high - low) / step + 1e-9)))
    moved = low + n_steps * step
    if isinstance(distribution, IntDistribution):
        return int(moved)
    return moved if contains(distribution, moved) else value


def _improvements(
    study: Study,
    trials: Mapping[int, FrozenTrial],
    interval: int,
    ranges: Mapping[str, BaseDistribution],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return time, value before and hyperparameters (T, 2 + H), and improvements (T,)."""
    found = [
        (step, [step, before, *_units(ranges, trial.params)], before - after)
        for trial in trials.values()
        if ranges.keys() <= trial.params.keys()
        for step, before, after in _intervals(study, trial, trials, interval)
    ]
    newest = sorted(found, key=lambda each: each[0])[-_MAX_POINTS:]
    return np.array([row for _, row, _ in newest]), np.array([gain for *_, gain in newest])


def _intervals(
    study: Study, trial: FrozenTrial, trials: Mapping[int, FrozenTrial], interval: int
) -> Iterator[tuple[int, float, float]]:
    """Yield begin, value before and value after each interval with a trial's hyperparameters.

    Small values are good.
    """
    values, factor = curve(trial, trials), sign(study)
    first = min(trial.intermediate_values, default=math.inf)
    for step in values:
        if step >= first - 1 and step + interval in values:
            yield step, factor * values[step], factor * values[step + interval]


def _units(ranges: Mapping[str, BaseDistribution], params: Mapping[str, Any]) -> list[float]:
    return [float(to_unit(each, params[name])) for name, each in ranges.items()]


def _upper_bounds(
    points: NDArray[np.float64], gains: NDArray[np.float64], now: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return mean plus kappa standard deviations of a Gaussian process at the points `now`."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Matern, WhiteKernel
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(points)
    lengths = np.ones(points.shape[1])
    kernel = Matern(lengths, (0.1, 100), nu=2.5) + WhiteKernel(0.1, (1e-3, 1))
    process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(scaler.transform(points), gains)
    mean, deviation = process.predict(scaler.transform(now), return_std=True)
    return cast("NDArray[np.float64]", mean + _KAPPA * deviation)
