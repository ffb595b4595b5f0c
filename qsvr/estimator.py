"""Support vector regression by annealing, as a scikit-learn estimator.

Notation: N samples, F features, M members (solutions of all models together).
"""

from __future__ import annotations

import math
from typing import Literal, overload

import numpy as np
from dimod.core.sampler import Sampler
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from qsvr.annealing.qubo import SignedEncoding
from qsvr.annealing.samplers import lowest_states, make_sampler
from qsvr.checks import check_count, check_number

Floats = NDArray[np.float64]


class QSVR(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Support vector regression whose dual problem is solved as a QUBO by a sampler.

    One model takes few samples, since a quantum annealer takes few variables (`max_samples` times
    `n_bits`). It is the mean of its `n_solutions` lowest distinct solutions. More samples are
    divided among several models, and the prediction is their mean. The kernel is
    exp(-gamma |x - x'|^2); each solution's bias is its mean residual.

    In the problem the smallest y is 0 and the largest 1, so that `epsilon` and `box` hold for any
    unit of y, and predictions follow y when it is shifted or multiplied. X is taken as it is:
    scale it so that neighbors are closer than 1 / sqrt(gamma), or set gamma="scale". For figures
    on a table of yours see `python -m qsvr.benchmark`.

    Args:
        gamma: width of the kernel, greater than 0; "scale": 1 / (F times the variance of X), as
            for `sklearn.svm.SVR`.
        epsilon: half width of the tube without loss, at least 0, as share of the range of y.
        n_bits: bits per multiplier, at least 1.
        box: largest multiplier, greater than 0, the C of other support vector machines, as share
            of the range of y.
        xi: weight of (sum delta)^2, at least 0. It stands for sum delta = 0, by which predictions
            far from all samples tend to the mean of y; with 0 they tend to about the smallest y.
        sampler: any dimod sampler, as an object, or a name of `annealing.samplers.SAMPLERS`; None:
            simulated annealing.
        n_reads: searches per model, at least 1.
        n_sweeps: length of a search in visits of every variable, at least 1. Beyond the default,
            lower energies do not improve predictions.
        n_solutions: solutions averaged per model, at least 1; fewer if fewer are found.
        max_samples: maximum number of samples of a model, at least 1.
        n_models: number of models. None divides the samples at random among the fewest possible
            models; a number draws as many random subsets of `max_samples`, which may overlap.
        random_state: seed or generator of the subsets and the sampler's seeds.

    Attributes:
        support_vectors_: the training samples, shape (N, F).
        delta_: alpha - alphahat of each member, shape (M, N), 0 outside of its subset, in units
            of y.
        bias_: shape (M,), in units of y.
        weights_: share of each member in the prediction, shape (M,); they sum to 1.
        energies_: of each member's QUBO, shape (M,).
        n_features_in_: F.

    Example:
        >>> x = np.linspace(0, 1, 10)[:, None]
        >>> model = QSVR(gamma=3.0, box=2.0, random_state=0).fit(x, x.ravel() ** 2)
        >>> bool(abs(model.predict([[0.5]])[0] - 0.25) < 0.05)
        True
    """

    def __init__(
        self,
        *,
        gamma: float | str = 0.3,
        epsilon: float = 0.02,
        n_bits: int = 3,
        box: float = 0.6,
        xi: float = 1.0,
        sampler: Sampler | str | None = None,
        n_reads: int = 100,
        n_sweeps: int = 300,
        n_solutions: int = 20,
        max_samples: int = 20,
        n_models: int | None = None,
        random_state: int | RandomState | None = None,
    ) -> None:
        self.gamma = gamma
        self.epsilon = epsilon
        self.n_bits = n_bits
        self.box = box
        self.xi = xi
        self.sampler = sampler
        self.n_reads = n_reads
        self.n_sweeps = n_sweeps
        self.n_solutions = n_solutions
        self.max_samples = max_samples
        self.n_models = n_models
        self.random_state = random_state

    def make_encoding(self) -> SignedEncoding:
        """Return the encoding, whose `n_variables` is the size of a model of N samples.

        Raises:
            ValueError: a parameter of this estimator is out of its range.
        """
        counts = ("n_bits", "n_reads", "n_sweeps", "n_solutions", "max_samples")
        for name in (*counts, *["n_models"] * (self.n_models is not None)):
            check_count(name, getattr(self, name))
        for name, above in (("box", True), ("epsilon", False), ("xi", False)):
            check_number(name, getattr(self, name), above=above)
        if not isinstance(self.gamma, str):
            check_number("gamma", self.gamma, above=True)
        elif self.gamma != "scale":
            raise ValueError(f'gamma must be a number or "scale", got {self.gamma!r}')
        return SignedEncoding(self.n_bits, self.box)

    def fit(self, X: ArrayLike, y: ArrayLike) -> QSVR:
        """Solve the dual problem of each model.

        Args:
            X: shape (N, F), finite.
            y: shape (N,), finite.

        Returns:
            This estimator.

        Raises:
            ValueError: a parameter is out of its range or of the wrong type, the sampler cannot
                solve a model of this size, or X and y do not fit or are not finite.
        """
        self.make_encoding()  # bad parameters are reported before bad data
        solver = make_sampler(self.sampler)
        samples, target = validate_data(self, X, y, y_numeric=True, dtype=np.float64)
        rng = check_random_state(self.random_state)
        subsets = self._subsets(len(target), rng)
        seeds = rng.randint(2**31 - 1, size=len(subsets))
        self.support_vectors_ = samples
        kernel = self._kernel(samples)
        lowest, extent = float(target.min()), float(np.ptp(target))
        unit = (target - lowest) / (extent or 1.0)
        models = [
            self._members(solver, kernel, unit, subset, int(seed))
            for subset, seed in zip(subsets, seeds, strict=True)
        ]
        sizes = np.array([len(bias) for _, bias, _ in models])
        self.weights_ = np.repeat(1 / (len(models) * sizes), sizes)
        delta, bias, self.energies_ = map(np.concatenate, zip(*models, strict=True))
        self.delta_, self.bias_ = extent * delta, lowest + extent * bias
        return self

    @overload
    def predict(self, X: ArrayLike, return_std: Literal[False] = ...) -> Floats: ...

    @overload
    def predict(self, X: ArrayLike, return_std: Literal[True]) -> tuple[Floats, Floats]: ...

    def predict(self, X: ArrayLike, return_std: bool = False) -> Floats | tuple[Floats, Floats]:
        """Return the prediction of each sample and, on request, how much the members differ.

        Args:
            X: shape (T, F), finite.
            return_std: also return the standard deviation over members: how far solutions and
                models disagree, not how far they are from the truth.

        Returns:
            Shape (T,), in units of y; or two such arrays.

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: X does not fit or is not finite.
        """
        check_is_fitted(self)
        samples = validate_data(self, X, reset=False, dtype=np.float64)
        members = self._kernel(samples) @ self.delta_.T + self.bias_
        mean: Floats = members @ self.weights_
        if not return_std:
            return mean
        return mean, np.sqrt((members - mean[:, None]) ** 2 @ self.weights_)

    def _kernel(self, samples: Floats) -> Floats:
        """Kernel of samples (rows) and support vectors (columns)."""
        vectors, gamma = self.support_vectors_, self.gamma
        if gamma == "scale":
            gamma = 1 / (vectors.shape[1] * (float(vectors.var()) or 1.0))
        return np.asarray(rbf_kernel(samples, vectors, gamma=gamma), np.float64)

    def _subsets(self, n_samples: int, rng: RandomState) -> list[NDArray[np.intp]]:
        if self.n_models is None:
            n_models = math.ceil(n_samples / self.max_samples)
            return np.array_split(rng.permutation(n_samples), n_models)
        size = min(self.max_samples, n_samples)
        return [rng.permutation(n_samples)[:size] for _ in range(self.n_models)]

    def _members(
        self, sampler: Sampler, kernel: Floats, y: Floats, subset: NDArray[np.intp], seed: int
    ) -> tuple[Floats, Floats, Floats]:
        """One model's solutions, of a subset of all samples: delta (S, N), bias (S,), energy."""
        encoding = self.make_encoding()
        within = kernel[np.ix_(subset, subset)]
        q, offset = encoding.qubo(within, y[subset], self.epsilon, self.xi)
        bits, energies = lowest_states(
            sampler, q, offset, n_reads=self.n_reads, n_sweeps=self.n_sweeps, seed=seed
        )
        found = encoding.decode(bits[: self.n_solutions])
        delta = np.zeros((len(found), len(y)))
        delta[:, subset] = found
        bias = np.mean(y[subset] - found @ within, axis=1)
        return delta, bias, energies[: self.n_solutions]
