import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import rbf_kernel

from qsvr.annealing.qubo import SignedEncoding, TwoSidedEncoding

SMALL = [
    (SignedEncoding(1, 0.5), 3),
    (SignedEncoding(2, 0.6), 3),
    (SignedEncoding(4, 1.3), 2),
    (TwoSidedEncoding(1, 2.0, 0.3), 3),
    (TwoSidedEncoding(2, 0.5, 0.005), 2),
    (TwoSidedEncoding(2, 3.0, 0.0), 2),
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
    if isinstance(encoding, TwoSidedEncoding):
        return encoding.multipliers(bits)
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
    if isinstance(encoding, SignedEncoding):
        deltas = np.linspace(-encoding.box, encoding.box, 2**encoding.n_bits)
        return [(max(delta, 0), max(-delta, 0)) for delta in deltas]
    worth = [encoding.base ** (i - encoding.k0) for i in range(encoding.n_bits)]
    one = [sum(chosen) for chosen in itertools.product(*[(0, weight) for weight in worth])]
    return list(itertools.product(one, one))


def test_signed_levels_are_even_from_minus_box_to_box():
    deltas = SignedEncoding(2, 0.6).decode([[0, 0], [1, 0], [0, 1], [1, 1]])
    np.testing.assert_allclose(deltas, [[-0.6], [-0.2], [0.2], [0.6]])


def test_two_sided_bits_are_alpha_then_alphahat_of_each_sample():
    encoding = TwoSidedEncoding(2, 2.0, 0.0)
    alpha, alpha_hat = encoding.multipliers([1, 1, 0, 1, 0, 0, 1, 0])
    np.testing.assert_array_equal(alpha, [3, 0])
    np.testing.assert_array_equal(alpha_hat, [2, 1])
    np.testing.assert_array_equal(encoding.decode([1, 1, 0, 1, 0, 0, 1, 0]), [1, -1])


def test_the_published_encoding_has_the_published_weights_and_variables():
    encoding = TwoSidedEncoding()
    np.testing.assert_allclose(encoding.weights, [1.0035, 0.5017, 0.2509], atol=5e-5)
    assert encoding.n_variables(20) == 120
    assert SignedEncoding(3).n_variables(20) == 60


@pytest.mark.parametrize("n_bits", [1, 3, 5])
def test_with_box_sets_the_largest_multiplier(n_bits):
    assert TwoSidedEncoding.with_box(n_bits, 0.7).weights.sum() == pytest.approx(0.7)


@pytest.mark.parametrize("make", [SignedEncoding, TwoSidedEncoding.with_box])
@pytest.mark.parametrize(
    ("n_bits", "box", "message"),
    [
        (0, 0.6, "n_bits must be at least 1, got 0"),
        (3, 0.0, "box must be greater than 0, got 0.0"),
        (3, -1.0, "box must be greater than 0"),
        (3, np.nan, "box must be greater than 0, got nan"),
    ],
)
def test_an_encoding_without_bits_or_box_is_rejected(make, n_bits, box, message):
    with pytest.raises(ValueError, match=message):
        make(n_bits, box)


def test_a_base_of_zero_is_rejected():
    with pytest.raises(ValueError, match="base must be greater than 0, got 0"):
        TwoSidedEncoding(base=0.0)


@pytest.mark.parametrize("encoding", [SignedEncoding(3), TwoSidedEncoding(3)])
def test_bits_that_are_no_whole_samples_are_rejected(encoding):
    with pytest.raises(ValueError, match=r"bits of shape \(7,\)"):
        encoding.decode(np.zeros(7))


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
