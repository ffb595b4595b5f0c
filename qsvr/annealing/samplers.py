"""Samplers that minimize a QUBO: those of dimod by name, and one call for all of them."""

from __future__ import annotations

from collections.abc import Callable

import dimod
import numpy as np
from dimod.core.sampler import Sampler
from dwave.samplers import SimulatedAnnealingSampler, SteepestDescentSampler, TabuSampler
from numpy.typing import NDArray

from qsvr.annealing.qpu import QPUSampler

BETA_SCHEDULE = (10.0, 2000.0)  # from hot to cold, in units of 1 / (energy of a typical flip)

MAX_EXACT = 20  # variables of dimod.ExactSolver: 1 million states, 200 MB

SAMPLERS: dict[str, Callable[[], Sampler]] = {
    "simulated_annealing": SimulatedAnnealingSampler,
    "steepest_descent": SteepestDescentSampler,
    "tabu": TabuSampler,
    "qpu": QPUSampler,
}


def make_sampler(sampler: Sampler | str | None) -> Sampler:
    """Return the sampler itself, or a new one of a name; None: simulated annealing.

    Raises:
        ValueError: the name is unknown, or what is given has no method `sample`.
    """
    if sampler is None:
        return SAMPLERS["simulated_annealing"]()
    if isinstance(sampler, str):
        if sampler in SAMPLERS:
            return SAMPLERS[sampler]()
    elif not isinstance(sampler, type) and hasattr(sampler, "sample"):
        return sampler
    hint = "; it is a class: add ()" if isinstance(sampler, type) else ""
    known = ", ".join(SAMPLERS)
    raise ValueError(f"sampler must be one of {known} or an object, got {sampler!r}{hint}")


def _check_size(sampler: Sampler, n_variables: int) -> None:
    if isinstance(sampler, dimod.ExactSolver) and n_variables > MAX_EXACT:
        limit = f"takes at most {MAX_EXACT} variables, all 2**{MAX_EXACT} states are kept"
        raise ValueError(f"dimod.ExactSolver {limit}; got {n_variables}: fewer samples or bits")


def lowest_states(
    sampler: Sampler,
    q: NDArray[np.float64],
    offset: float,
    *,
    n_reads: int,
    n_sweeps: int,
    seed: int,
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Return the distinct states that a sampler finds for b^T Q b + offset, lowest energy first.

    Of reads, sweeps, temperatures and seed, a sampler is given those that its `parameters` name. A
    sweep is one visit of every variable. Tabu search is limited by the same number of visits, not
    by time, so that it is reproducible.

    Args:
        sampler: any dimod sampler.
        q: symmetric, shape (V, V).
        offset: added to every energy.
        n_reads: number of independent searches, at least 1; also the most states returned.
        n_sweeps: length of each search, at least 1.
        seed: in [0, 2**31).

    Returns:
        Bits, shape (S, V) with 1 <= S <= n_reads, and energies, shape (S,).

    Raises:
        ValueError: `dimod.ExactSolver` is given more than 20 variables.
    """
    _check_size(sampler, len(q))
    options = {
        "num_reads": n_reads,
        "num_sweeps": n_sweeps,
        "beta_range": _beta_range(q),
        "seed": seed,
        "coefficient_z_first": n_sweeps,  # tabu: visits per variable, at least lower_bound_z
        "lower_bound_z": 1,
        "num_restarts": 0,
        "timeout": None,
    }
    bqm = dimod.BinaryQuadraticModel(q, dimod.BINARY)
    bqm.offset = offset
    known = {name: value for name, value in options.items() if name in sampler.parameters}
    found = sampler.sample(bqm, **known).truncate(n_reads).aggregate()
    order = np.argsort(found.record.energy, kind="stable")
    columns = [found.variables.index(variable) for variable in range(len(q))]
    return found.record.sample[order][:, columns], found.record.energy[order]


def _beta_range(q: NDArray[np.float64]) -> tuple[float, float]:
    """Inverse temperatures that follow the scale of Q.

    Flipping bit i of a random state changes the energy by Q_ii + 2 sum_j Q_ij b_j up to its sign;
    the root mean square over bits and states is the unit. The sampler's own default begins far
    hotter and ends far colder, where sweeps have no effect.
    """
    couplings = q - np.diag(np.diag(q))
    squares = q.sum(axis=1) ** 2 + (couplings**2).sum(axis=1)
    flip = float(np.sqrt(squares.mean())) or 1.0  # Q = 0: any temperature will do
    hot, cold = BETA_SCHEDULE
    return hot / flip, cold / flip
