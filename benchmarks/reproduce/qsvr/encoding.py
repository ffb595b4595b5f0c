"""The published encoding [Willsch2020]_: separate bits for alpha and for alphahat, V = 2 N K.

The objective and the notation are those of `qsvr.annealing.qubo`.

.. [Willsch2020] Willsch et al., Computer Physics Communications 248 (2020) 107006,
   arXiv:1906.06283.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TwoSidedEncoding:
    """Multipliers alpha_n = sum_i base**(i - k0) b_ni with i = 0 .. K-1, and alphahat_n likewise.

    Bits are sorted by sample, then alpha before alphahat, then i. Many bit strings share a delta,
    since alpha_n and alphahat_n may both be positive; only epsilon > 0 makes that costly.

    Attributes:
        n_bits: K, at least 1.
        base: B, greater than 0.
        k0: exponent of the largest multiplier's scale; any real number.
    """

    n_bits: int = 3
    base: float = 0.5
    k0: float = 0.005

    @property
    def weights(self) -> Floats:
        """The weight of each bit of a multiplier, shape (K,)."""
        return np.asarray(self.base ** (np.arange(self.n_bits) - self.k0), np.float64)

    def n_variables(self, n_samples: int) -> int:
        """Return V = 2 N K."""
        return 2 * self.n_bits * n_samples

    def qubo(self, kernel: Floats, y: Floats, epsilon: float, xi: float) -> Floats:
        """Return Q, shape (V, V), with b^T Q b = E for every bit string b."""
        coupling, weights = kernel + 2 * xi, np.concatenate([self.weights, -self.weights])
        tube = np.diag(epsilon * np.abs(weights))
        q = np.kron(coupling, np.outer(weights, weights) / 2) + np.kron(np.eye(len(y)), tube)
        q[np.diag_indices_from(q)] += np.kron(-y, weights)
        return np.asarray(q, np.float64)

    def multipliers(self, bits: ArrayLike) -> tuple[Floats, Floats]:
        """Return alpha and alphahat, each of shape (..., N), of bits of shape (..., V)."""
        states = np.asarray(bits, np.int8)
        samples = states.reshape(*states.shape[:-1], -1, 2 * self.n_bits)
        alpha, alpha_hat = samples[..., : self.n_bits], samples[..., self.n_bits :]
        return alpha @ self.weights, alpha_hat @ self.weights
