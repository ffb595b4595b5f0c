import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import rbf_kernel

from qsvr.annealing.qubo import SignedEncoding

SMALL = [
    (SignedEncoding(1, 0.5), 3),
    (SignedEncoding(2, 0.6), 3),
    (SignedEncoding(4, 1.3), 2),
]
problems = st.tuples(
    st.sampled_from(SMALL),
    st.integers(0, 2**32 - 1),
    st.floats(0.0, 0.3),
    st.floats(0.0, 2.0),
)


def objective(kernel, y, alpha, alpha_hat, epsilon, xi):
    """The dual objective of the module's docstring, term by term."""
    n, delta, total = len(y), [a - b for a, b in zip(alpha, alpha_hat, strict=True)], 0.0
    for i in range(n):
        total += epsilon * (alpha[i] + alpha_hat[i]) - y[i] * delta[i]
        for j in range(n):
            total += (kernel[i][j] / 2 + xi) * delta[i] * delta[j]
    return total


def sides(encoding, bits):
    delta = encoding.decode(bits)
    return np.maximum(delta, 0), np.maximum(-delta, 0)


def random_problem(n_samples, seed):
    rng = np.random.default_rng(seed)
    return rbf_kernel(rng.uniform(-1, 1, (n_samples, 2))), rng.uniform(-1, 1, n_samples)


def all_states(n_variables):
    return np.array(list(itertools.product([0, 1], repeat=n_variables)))


@given(problems)
@settings(max_examples=40, deadline=None)
def test_the_qubo_of_any_bits_is_the_dual_objective(problem):
    (encoding, n_samples), seed, epsilon, xi = problem
    kernel, y = random_problem(n_samples, seed)
    q, offset = encoding.qubo(kernel, y, epsilon, xi)
    bits = np.random.default_rng(seed).integers(0, 2, encoding.n_variables(n_samples))
    alpha, alpha_hat = sides(encoding, bits)
    expected = objective(kernel, y, alpha, alpha_hat, epsilon, xi)
    assert bits @ q @ bits + offset == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(q, q.T)


@given(problems)
@settings(max_examples=25, deadline=None)
def test_the_ground_state_is_the_best_point_of_the_grid(problem):
    (encoding, n_samples), seed, epsilon, xi = problem
    kernel, y = random_problem(n_samples, seed)
    q, offset = encoding.qubo(kernel, y, epsilon, xi)
    states = all_states(encoding.n_variables(n_samples))
    energies = np.einsum("si,ij,sj->s", states, q, states) + offset
    levels = grid(encoding)
    best = min(
        objective(kernel, y, *zip(*point, strict=True), epsilon, xi)
        for point in itertools.product(levels, repeat=n_samples)
    )
    assert energies.min() == pytest.approx(best, abs=1e-12)
    ground = sides(encoding, states[energies.argmin()])
    assert objective(kernel, y, *ground, epsilon, xi) == pytest.approx(best, abs=1e-12)


def grid(encoding):
    """All (alpha, alphahat) of a sample, written without the encoding's own decoder."""
    deltas = np.linspace(-encoding.box, encoding.box, 2**encoding.n_bits)
    return [(max(delta, 0), max(-delta, 0)) for delta in deltas]


def test_signed_levels_are_even_from_minus_box_to_box():
    deltas = SignedEncoding(2, 0.6).decode([[0, 0], [1, 0], [0, 1], [1, 1]])
    np.testing.assert_allclose(deltas, [[-0.6], [-0.2], [0.2], [0.6]])


def test_twenty_samples_of_three_bits_take_sixty_variables():
    assert SignedEncoding(3).n_variables(20) == 60


@pytest.mark.parametrize(
    ("n_bits", "box", "message"),
    [
        (0, 0.6, "n_bits must be at least 1, got 0"),
        (3, 0.0, "box must be greater than 0, got 0.0"),
        (3, -1.0, "box must be greater than 0"),
        (3, np.nan, "box must be greater than 0, got nan"),
    ],
)
def test_an_encoding_without_bits_or_box_is_rejected(n_bits, box, message):
    with pytest.raises(ValueError, match=message):
        SignedEncoding(n_bits, box)


def test_bits_that_are_no_whole_samples_are_rejected():
    with pytest.raises(ValueError, match=r"bits of shape \(7,\)"):
        SignedEncoding(3).decode(np.zeros(7))


@pytest.mark.parametrize(
    ("kernel", "y", "epsilon", "xi", "message"),
    [
        (np.eye(2), np.zeros(3), 0.1, 0.0, r"got \(2, 2\) and \(3,\)"),
        (np.ones((2, 3)), np.zeros(2), 0.1, 0.0, r"got \(2, 3\)"),
        (np.eye(2), np.zeros(2), -0.1, 0.0, "epsilon must be at least 0, got -0.1"),
        (np.eye(2), np.zeros(2), 0.1, -1.0, "xi must be at least 0, got -1.0"),
    ],
)
def test_problems_that_are_none_are_rejected(kernel, y, epsilon, xi, message):
    with pytest.raises(ValueError, match=message):
        SignedEncoding().qubo(kernel, y, epsilon, xi)
