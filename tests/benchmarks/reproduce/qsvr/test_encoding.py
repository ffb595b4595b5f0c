import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from benchmarks.reproduce.qsvr.encoding import TwoSidedEncoding


@pytest.mark.parametrize(
    ("encoding", "n_samples"),
    [
        (TwoSidedEncoding(1, 2.0, 0.3), 3),
        (TwoSidedEncoding(2, 0.5, 0.005), 2),
        (TwoSidedEncoding(2, 3.0, 0.0), 2),
    ],
)
def test_the_qubo_of_any_bits_is_the_dual_objective(encoding, n_samples):
    rng = np.random.default_rng(0)
    kernel, y = rbf_kernel(rng.uniform(-1, 1, (n_samples, 2))), rng.uniform(-1, 1, n_samples)
    q = encoding.qubo(kernel, y, 0.1, 0.7)
    states = (np.arange(2 ** len(q))[:, None] >> np.arange(len(q))) & 1
    alpha, alpha_hat = encoding.multipliers(states)
    delta = alpha - alpha_hat
    expected = (
        np.einsum("si,ij,sj->s", delta, kernel, delta) / 2
        + 0.7 * delta.sum(axis=1) ** 2
        + 0.1 * (alpha + alpha_hat).sum(axis=1)
        - delta @ y
    )
    np.testing.assert_allclose(np.einsum("si,ij,sj->s", states, q, states), expected, atol=1e-12)
    np.testing.assert_allclose(q, q.T)


def test_bits_are_alpha_then_alphahat_of_each_sample():
    alpha, alpha_hat = TwoSidedEncoding(2, 2.0, 0.0).multipliers([1, 1, 0, 1, 0, 0, 1, 0])
    np.testing.assert_array_equal(alpha, [3, 0])
    np.testing.assert_array_equal(alpha_hat, [2, 1])


def test_it_has_the_published_weights_and_variables():
    encoding = TwoSidedEncoding()
    np.testing.assert_allclose(encoding.weights, [1.0035, 0.5017, 0.2509], atol=5e-5)
    assert encoding.n_variables(20) == 120
