"""Support vector regression as a QUBO: the dual problem written in binary variables.

The dual of epsilon-insensitive regression [Smola2004]_ in the differences delta_n = alpha_n -
alphahat_n, with the constraint sum_n delta_n = 0 as a penalty [Willsch2020]_, is to minimize

    E = 1/2 sum_nm delta_n delta_m k(x_n, x_m) + xi (sum_n delta_n)^2
        + epsilon sum_n (alpha_n + alphahat_n) - sum_n y_n delta_n

with every alpha and alphahat between 0 and a box C. An encoding defines how bits form multipliers;
its QUBO equals E at every bit string, so that the lowest energy is the best point of its grid.

Notation: N samples, K bits per multiplier, V variables.

.. [Smola2004] Smola and Schoelkopf, Statistics and Computing 14 (2004) 199.
.. [Willsch2020] Willsch et al., Computer Physics Communications 248 (2020) 107006,
   arXiv:1906.06283.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Encoding(Protocol):
    """How bits form the multipliers of the dual problem."""

    def n_variables(self, n_samples: int) -> int:
        """Return V, the number of binary variables for N samples."""
        ...

    def qubo(
        self, kernel_matrix: ArrayLike, y: ArrayLike, epsilon: float, xi: float
    ) -> tuple[Floats, float]:
        """Return a symmetric Q, shape (V, V), and an offset: E = b^T Q b + offset."""
        ...

    def decode(self, bits: ArrayLike) -> Floats:
        """Return delta, shape (..., N), of bits of shape (..., V)."""
        ...


@dataclass(frozen=True)
class TwoSidedEncoding:
    """The published encoding: separate bits for alpha and for alphahat, V = 2 N K.

    alpha_n = sum_i base**(i - k0) b_ni with i = 0 .. K-1, and alphahat_n likewise. Bits are sorted
    by sample, then alpha before alphahat, then i. Many bit strings share a delta, since alpha_n
    and alphahat_n may both be positive; only epsilon > 0 makes that costly.

    Attributes:
        n_bits: K, at least 1.
        base: B, greater than 0.
        k0: exponent of the largest multiplier's scale; any real number.
    """

    n_bits: int = 3
    base: float = 0.5
    k0: float = 0.005

    def __post_init__(self) -> None:
        _check_bits(self.n_bits)
        _check_positive("base", self.base)

    @classmethod
    def with_box(cls, n_bits: int, box: float) -> TwoSidedEncoding:
        """Return the encoding of base 1/2 whose largest multiplier is `box`."""
        _check_bits(n_bits)
        _check_positive("box", box)
        return cls(n_bits, base=0.5, k0=float(np.log2(box / (2 - 2.0 ** (1 - n_bits)))))

    @property
    def weights(self) -> Floats:
        """The weight of each bit of a multiplier, shape (K,)."""
        return np.asarray(self.base ** (np.arange(self.n_bits) - self.k0), np.float64)

    def n_variables(self, n_samples: int) -> int:
        """Return V = 2 N K."""
        return 2 * self.n_bits * n_samples

    def qubo(
        self, kernel_matrix: ArrayLike, y: ArrayLike, epsilon: float, xi: float
    ) -> tuple[Floats, float]:
        """Return Q and the offset (0) with b^T Q b = E for every bit string b.

        Args:
            kernel_matrix: k(x_n, x_m), shape (N, N), symmetric.
            y: targets, shape (N,).
            epsilon: half width of the tube without loss, at least 0, in units of y.
            xi: weight of (sum delta)^2, at least 0.

        Returns:
            Symmetric Q, shape (V, V), and 0.

        Raises:
            ValueError: the shapes do not fit, or epsilon or xi is negative.
        """
        weights = np.concatenate([self.weights, -self.weights])
        tube = np.diag(epsilon * np.abs(weights))
        return _qubo(*_checked(kernel_matrix, y, epsilon, xi), weights, 0.0, tube)

    def multipliers(self, bits: ArrayLike) -> tuple[Floats, Floats]:
        """Return alpha and alphahat, each of shape (..., N), of bits of shape (..., V).

        Raises:
            ValueError: V is not a multiple of 2 K.
        """
        samples = _split(bits, 2 * self.n_bits)
        alpha, alpha_hat = samples[..., : self.n_bits], samples[..., self.n_bits :]
        return alpha @ self.weights, alpha_hat @ self.weights

    def decode(self, bits: ArrayLike) -> Floats:
        """Return delta = alpha - alphahat, shape (..., N), of bits of shape (..., V).

        Raises:
            ValueError: V is not a multiple of 2 K.
        """
        alpha, alpha_hat = self.multipliers(bits)
        return alpha - alpha_hat


@dataclass(frozen=True)
class SignedEncoding:
    """Half the variables: delta itself as a K-bit integer, V = N K.

    delta_n = -box + step sum_k 2**k b_nk with step = 2 box / (2**K - 1): 2**K even levels from
    -box to box, without 0. Bits are sorted by sample, lowest power first. The highest bit is the
    sign of delta_n, so |delta_n| = (2 b_n,K-1 - 1) delta_n is quadratic in bits and the tube costs
    no bit: E is exact, with alpha_n + alphahat_n = |delta_n|, its value at any optimum.

    Attributes:
        n_bits: K, at least 1.
        box: largest |delta|, greater than 0: the C of support vector regression.
    """

    n_bits: int = 3
    box: float = 0.6

    def __post_init__(self) -> None:
        _check_bits(self.n_bits)
        _check_positive("box", self.box)

    @property
    def weights(self) -> Floats:
        """The weight of each bit of a delta, shape (K,)."""
        step = 2 * self.box / (2.0**self.n_bits - 1)
        return step * np.exp2(np.arange(self.n_bits, dtype=np.float64))

    def n_variables(self, n_samples: int) -> int:
        """Return V = N K."""
        return self.n_bits * n_samples

    def qubo(
        self, kernel_matrix: ArrayLike, y: ArrayLike, epsilon: float, xi: float
    ) -> tuple[Floats, float]:
        """Return Q and the offset with b^T Q b + offset = E for every bit string b.

        Args:
            kernel_matrix: k(x_n, x_m), shape (N, N), symmetric.
            y: targets, shape (N,).
            epsilon: half width of the tube without loss, at least 0, in units of y.
            xi: weight of (sum delta)^2, at least 0.

        Returns:
            Symmetric Q, shape (V, V), and the offset.

        Raises:
            ValueError: the shapes do not fit, or epsilon or xi is negative.
        """
        coupling, target = _checked(kernel_matrix, y, epsilon, xi)
        weights, sign = self.weights, np.eye(self.n_bits)[-1]
        product = np.outer(sign, weights)  # |delta| = (2 sign.b - 1) (weights.b - box)
        tube = epsilon * (product + product.T - np.diag(weights + 2 * self.box * sign))
        q, offset = _qubo(coupling, target, weights, -self.box, tube)
        return q, offset + epsilon * self.box * len(target)

    def decode(self, bits: ArrayLike) -> Floats:
        """Return delta, shape (..., N), of bits of shape (..., V).

        Raises:
            ValueError: V is not a multiple of K.
        """
        return np.asarray(_split(bits, self.n_bits) @ self.weights - self.box, np.float64)


def _qubo(
    coupling: Floats, y: Floats, weights: Floats, shift: float, tube: Floats
) -> tuple[Floats, float]:
    """E with delta_n = shift + weights . b_n and the tube's cost b_n^T tube b_n of each sample."""
    q = np.kron(coupling, np.outer(weights, weights) / 2) + np.kron(np.eye(len(y)), tube)
    linear = shift * coupling.sum(axis=1) - y
    q[np.diag_indices_from(q)] += np.kron(linear, weights)
    return q, float(shift**2 / 2 * coupling.sum() - shift * y.sum())


def _checked(
    kernel_matrix: ArrayLike, y: ArrayLike, epsilon: float, xi: float
) -> tuple[Floats, Floats]:
    """The matrix of E's quadratic form, kernel + 2 xi, and the targets."""
    kernel, target = np.asarray(kernel_matrix, np.float64), np.asarray(y, np.float64)
    if target.ndim != 1 or kernel.shape != (len(target), len(target)):
        raise ValueError(f"need kernel (N, N) and y (N,), got {kernel.shape} and {target.shape}")
    for name, value in (("epsilon", epsilon), ("xi", xi)):
        if not value >= 0:
            raise ValueError(f"{name} must be at least 0, got {value}")
    return kernel + 2 * xi, target


def _split(bits: ArrayLike, n_per_sample: int) -> NDArray[np.int8]:
    """Bits by sample: (..., V) -> (..., N, n_per_sample)."""
    states = np.asarray(bits, np.int8)
    if states.ndim == 0 or states.shape[-1] % n_per_sample:
        raise ValueError(f"bits of shape {states.shape} are not {n_per_sample} per sample")
    return states.reshape(*states.shape[:-1], -1, n_per_sample)


def _check_bits(n_bits: int) -> None:
    if n_bits < 1:
        raise ValueError(f"n_bits must be at least 1, got {n_bits}")


def _check_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be greater than 0, got {value}")
