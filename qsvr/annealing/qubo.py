"""Support vector regression as a QUBO: the dual problem written in binary variables.

The dual of epsilon-insensitive regression [Smola2004]_ in the differences delta_n = alpha_n -
alphahat_n, with the constraint sum_n delta_n = 0 as a penalty [Willsch2020]_, is to minimize

    E = 1/2 sum_nm delta_n delta_m k(x_n, x_m) + xi (sum_n delta_n)^2
        + epsilon sum_n (alpha_n + alphahat_n) - sum_n y_n delta_n

with every alpha and alphahat between 0 and a box C. The QUBO equals E at every bit string, so that
its lowest energy is the best point of the grid of multipliers.

Notation: N samples, K bits per multiplier, V variables.

.. [Smola2004] Smola and Schoelkopf, Statistics and Computing 14 (2004) 199.
.. [Willsch2020] Willsch et al., Computer Physics Communications 248 (2020) 107006,
   arXiv:1906.06283.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SignedEncoding:
    """Each delta as a K-bit integer: V = N K, half the variables of [Willsch2020]_.

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
        if self.n_bits < 1:
            raise ValueError(f"n_bits must be at least 1, got {self.n_bits}")
        if not self.box > 0:
            raise ValueError(f"box must be greater than 0, got {self.box}")

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
        kernel, target = np.asarray(kernel_matrix, np.float64), np.asarray(y, np.float64)
        if target.ndim != 1 or kernel.shape != (len(target), len(target)):
            shapes = f"{kernel.shape} and {target.shape}"
            raise ValueError(f"need kernel (N, N) and y (N,), got {shapes}")
        for name, value in (("epsilon", epsilon), ("xi", xi)):
            if not value >= 0:
                raise ValueError(f"{name} must be at least 0, got {value}")
        coupling, weights, box = kernel + 2 * xi, self.weights, self.box
        q = np.kron(coupling, np.outer(weights, weights) / 2)
        q += np.kron(np.eye(len(target)), epsilon * self._tube())
        linear = -box * coupling.sum(axis=1) - target
        q[np.diag_indices_from(q)] += np.kron(linear, weights)
        offset = float(box**2 / 2 * coupling.sum() + box * target.sum())
        return np.asarray(q, np.float64), offset + epsilon * box * len(target)

    def _tube(self) -> Floats:
        """Quadratic form of |delta| + a constant: |delta| = (2 sign.b - 1) (weights.b - box)."""
        sign = np.eye(self.n_bits)[-1]
        product = np.outer(sign, self.weights)
        tube = product + product.T - np.diag(self.weights + 2 * self.box * sign)
        return np.asarray(tube, np.float64)

    def decode(self, bits: ArrayLike) -> Floats:
        """Return delta, shape (..., N), of bits of shape (..., V).

        Raises:
            ValueError: V is not a multiple of K.
        """
        states = np.asarray(bits, np.int8)
        if states.ndim == 0 or states.shape[-1] % self.n_bits:
            raise ValueError(f"bits of shape {states.shape} are not {self.n_bits} per sample")
        samples = states.reshape(*states.shape[:-1], -1, self.n_bits)
        return np.asarray(samples @ self.weights - self.box, np.float64)
