from types import MappingProxyType

import dimod
import numpy as np
import pytest

from qsvr.annealing.samplers import SAMPLERS, lowest_states, make_sampler

OFFLINE = sorted(set(SAMPLERS) - {"qpu"})


def problem(n_variables, seed=0):
    q = np.random.default_rng(seed).normal(size=(n_variables, n_variables))
    return (q + q.T) / 2


def solve(sampler, q, offset=0.0, **settings):
    chosen = {"n_reads": 50, "n_sweeps": 100, "seed": 3} | settings
    return lowest_states(sampler, q, offset, **chosen)


@pytest.mark.parametrize("name", OFFLINE)
def test_every_back_end_finds_the_ground_state_of_a_small_problem(name):
    q = problem(10)
    states = (np.arange(2**10)[:, None] >> np.arange(10)) & 1
    exact = np.einsum("si,ij,sj->s", states, q, states)
    bits, energies = solve(make_sampler(name), q, offset=2.5)
    assert energies[0] == pytest.approx(exact.min() + 2.5)
    np.testing.assert_array_equal(bits[0], states[exact.argmin()])


@pytest.mark.parametrize("name", OFFLINE)
def test_states_are_distinct_sorted_and_the_same_for_the_same_seed(name):
    q = problem(12)
    bits, energies = solve(make_sampler(name), q, n_sweeps=5)
    assert 1 <= len(bits) == len(np.unique(bits, axis=0)) <= 50
    assert (np.diff(energies) >= 0).all()
    np.testing.assert_allclose(np.einsum("si,ij,sj->s", bits, q, bits), energies)
    again, _ = solve(make_sampler(name), q, n_sweeps=5)
    np.testing.assert_array_equal(bits, again)


def test_annealing_reaches_the_energy_of_the_default_schedule_with_fewer_sweeps():
    q = problem(60)
    bqm = dimod.BinaryQuadraticModel(q, dimod.BINARY)
    default = make_sampler("simulated_annealing").sample(
        bqm, num_reads=50, num_sweeps=1000, seed=1
    )
    _, energies = solve(make_sampler("simulated_annealing"), q, n_sweeps=300)
    assert energies[0] == pytest.approx(default.first.energy)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_schedule_follows_the_scale_of_the_problem(scale):
    bits, _ = solve(make_sampler("simulated_annealing"), problem(20))
    scaled, _ = solve(make_sampler("simulated_annealing"), scale * problem(20))
    np.testing.assert_array_equal(bits[0], scaled[0])


def test_a_problem_without_coefficients_has_solutions():
    _, energies = solve(make_sampler("simulated_annealing"), np.zeros((3, 3)), offset=1.0)
    np.testing.assert_array_equal(energies, 1.0)


def test_a_sampler_gets_only_the_keywords_it_names_and_variables_come_back_in_order():
    class Shuffled(dimod.Sampler):
        parameters = MappingProxyType({"num_reads": []})
        properties = MappingProxyType({})

        def sample(self, bqm, **options):
            assert options == {"num_reads": 50}
            rows = [[0, 1, 1], [0, 1, 0], [0, 1, 1]]
            return dimod.SampleSet.from_samples_bqm((rows, [2, 0, 1]), bqm, sort_labels=False)

    bits, energies = solve(Shuffled(), np.diag([1.0, 2.0, 4.0]))
    np.testing.assert_array_equal(bits, [[1, 0, 0], [1, 1, 0]])
    np.testing.assert_array_equal(energies, [1.0, 3.0])


def test_an_unknown_name_is_rejected_with_the_known_ones():
    with pytest.raises(ValueError, match=r"simulated_annealing, .*, got 'quantum'"):
        make_sampler("quantum")


def test_the_sampler_of_the_old_neal_package_does():
    sampler = pytest.importorskip("neal").SimulatedAnnealingSampler()
    expected = solve(make_sampler("simulated_annealing"), problem(12))
    np.testing.assert_array_equal(solve(make_sampler(sampler), problem(12))[0], expected[0])


def test_what_is_no_sampler_is_refused():
    for wrong in (dimod.ExactSolver, "neal", 3, object()):
        with pytest.raises(ValueError, match="sampler must be one of simulated_annealing, "):
            make_sampler(wrong)
    assert isinstance(make_sampler(None), SAMPLERS["simulated_annealing"])


def test_more_states_than_memory_has_are_not_asked_for():
    with pytest.raises(ValueError, match=r"takes at most 20 variables.*got 21"):
        solve(dimod.ExactSolver(), problem(21))
