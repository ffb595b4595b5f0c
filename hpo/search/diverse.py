"""A sampler that keeps another one from repeating similar configurations.

With pruning, a model-based sampler gets stuck: only the trials near the best one are trained for
long, so it proposes nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from commons.changes import Changes
from commons.per_study import PerStudy
from commons.unit_cube import all_apart
from hpo.search.cost import Costs
from hpo.search.finite import free_points
from hpo.search.scores import teaches

_N_PROPOSALS = 5  # of the wrapped sampler, before a random one is taken
_CROWDED = 0.1  # share of the space that the neighborhoods of all trials may fill


class DiverseSampler(BaseSampler):
    """Wraps a sampler: some trials are random, the others keep a distance from earlier trials.

    A proposal of the wrapped sampler is refused if it lies within `min_distance` of an earlier
    trial in every parameter, where the range of a parameter (or of its logarithm) has length 1 and
    two different choices are 1 apart. After five refusals a random configuration is taken. If
    the space has so few parameters that n such neighborhoods would fill it, they shrink, so that
    the search can still refine: half a side is at most (0.1 / n)^(1 / parameters) / 2. A random
    configuration repeats no earlier one, as long as a space of at most 1000 points has a free one.

    Parameters that are proposed together are judged together: those that all trials with a report
    have in common, and others that the wrapped sampler proposes jointly. In a conditional space an
    earlier trial with additional parameters counts as different. A proposal depends on the trials
    of the study and the seed only.

    Args:
        sampler: makes the wrapped sampler, e.g. `optuna.samplers.TPESampler` or a
            `functools.partial` of it (`_partial_: true` in a configuration); called with `seed`.
        random_every: n, at least 2: one of n trials, by its number, is random.
        min_distance: dimensionless, in [0, 1); 0: only repetitions are refused.
        cheapest_of: at least 1; of so many proposals that are not refused, which the wrapped
            sampler holds for equally good, the one whose steps should take the least time is
            taken, as the times of earlier trials tell.
        seed: of both the wrapped sampler and the random trials.

    Raises:
        ValueError: a value is out of range, or `sampler` is an instance already.

    Example:
        >>> import optuna
        >>> sampler = DiverseSampler(optuna.samplers.TPESampler, seed=1)
        >>> study = optuna.create_study(sampler=sampler)
        >>> study.optimize(lambda trial: trial.suggest_int("x", 0, 99) ** 2, n_trials=30)
        >>> len({trial.params["x"] for trial in study.trials}) > 20
        True
    """

    def __init__(
        self,
        sampler: Callable[..., BaseSampler],
        random_every: int = 2,
        min_distance: float = 0.1,
        cheapest_of: int = 1,
        seed: int | None = None,
    ) -> None:
        if not callable(sampler):
            raise ValueError(
                f"sampler must be a class or a partial of one (_partial_: true), got {sampler!r}"
            )
        if random_every < 2:
            raise ValueError(f"random_every must be >= 2, got {random_every}")
        if not 0 <= min_distance < 1:
            raise ValueError(f"min_distance must be in [0, 1), got {min_distance}")
        if cheapest_of < 1:
            raise ValueError(f"cheapest_of must be >= 1, got {cheapest_of}")
        self._random_every, self._min_distance = random_every, min_distance
        self._cheapest_of = cheapest_of
        # Two seeds: with one, a random configuration could repeat the refused proposal.
        self._rng = np.random.default_rng(seed)
        seeds = self._rng.integers(2**32, size=2)
        self._sampler, self._random = sampler(seed=int(seeds[0])), RandomSampler(int(seeds[1]))
        self._common = PerStudy(_Common)
        self._earlier = PerStudy(_Earlier)
        self._costs = PerStudy(Costs)

    def reseed_rng(self) -> None:
        """Draw new seeds; Optuna does this for each of its threads."""
        self._sampler.reseed_rng()
        self._random.reseed_rng()
        self._rng = np.random.default_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass on to the wrapped sampler."""
        self._sampler.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Any
    ) -> None:
        """Pass on to the wrapped sampler."""
        self._sampler.after_trial(study, trial, state, values)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return what is proposed together."""
        space = self._common.of(study).look(study, trial.number)
        if not self._is_random(trial):
            space |= self._sampler.infer_relative_search_space(study, trial)
        return dict(sorted(space.items()))

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a proposal with a distance from all earlier trials, or a random one."""
        if not search_space:
            return {}
        earlier = self._earlier.of(study).look(study, trial.number, search_space)
        reach = self._reach(len(earlier), len(search_space))
        n_left = 0 if self._is_random(trial) else _N_PROPOSALS + self._cheapest_of - 1
        proposals: list[dict[str, Any]] = []
        while n_left and len(proposals) < self._cheapest_of:
            n_left -= 1
            proposal = self._propose(study, trial, search_space)
            if not _is_near_any(proposal, earlier, search_space, reach):
                proposals.append(proposal)
        if proposals:
            return self._costs.of(study).cheapest(study, proposals, search_space)
        return self._random_point(study, trial, search_space, earlier)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        """Return a value of a parameter that is not proposed together with others."""
        sampler = self._random if self._is_random(trial) else self._sampler
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _random_point(
        self,
        study: Study,
        trial: FrozenTrial,
        space: Mapping[str, BaseDistribution],
        earlier: NDArray[np.float64],
    ) -> dict[str, Any]:
        """Return a random configuration that no earlier trial has, if it can be found."""
        point: dict[str, Any] = {}
        for _ in range(_N_PROPOSALS):
            point = {
                name: self._random.sample_independent(study, trial, name, distribution)
                for name, distribution in space.items()
            }
            if not _is_near_any(point, earlier, space, reach=0.0):
                return point
        free = free_points(space, earlier)
        return free[self._rng.integers(len(free))] if free else point

    def _is_random(self, trial: FrozenTrial) -> bool:
        return trial.number % self._random_every == self._random_every - 1

    def _reach(self, n_trials: int, n_params: int) -> float:
        crowded: float = (_CROWDED / max(n_trials, 1)) ** (1 / n_params) / 2
        return min(self._min_distance, crowded)

    def _propose(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Ask the wrapped sampler for all these parameters, jointly where it can."""
        joint = self._sampler.infer_relative_search_space(study, trial)
        proposal = self._sampler.sample_relative(study, trial, joint)
        alone = {
            name: self._sampler.sample_independent(study, trial, name, distribution)
            for name, distribution in search_space.items()
            if name not in proposal
        }
        return {**proposal, **alone}


def _varied(space: Mapping[str, BaseDistribution]) -> dict[str, BaseDistribution]:
    return {name: d for name, d in space.items() if not d.single()}


class _Common:
    """The parameters that all trials of a study have in common, and that vary."""

    def __init__(self) -> None:
        self._changes = Changes()
        self._space: dict[str, BaseDistribution] | None = None

    def look(self, study: Study, number: int) -> dict[str, BaseDistribution]:
        """Return those of the trials that have reported or ended; else of those that run.

        A trial that runs may not have been asked for all of its parameters yet.
        """
        trials = study.get_trials(deepcopy=False)
        for trial in self._changes.since(trials):
            if trial.distributions and teaches(trial):
                self._space = _both(self._space, trial.distributions)
        space = self._space
        if space is None:
            for trial in trials:
                if trial.distributions and trial.number != number:
                    space = _both(space, trial.distributions)
        return _varied(space or {})


def _both(
    a: Mapping[str, BaseDistribution] | None, b: Mapping[str, BaseDistribution]
) -> dict[str, BaseDistribution]:
    """Return what two spaces, of which the first may be unknown, have in common."""
    return {**b} if a is None else {name: d for name, d in a.items() if b.get(name) == d}


class _Earlier:
    """The parameters of a study's trials, each as a number in a row of a table."""

    def __init__(self) -> None:
        self._begin({})

    def _begin(self, space: Mapping[str, BaseDistribution]) -> None:
        self._space, self._changes = dict(space), Changes()
        self._table = np.empty((0, len(space)))
        self._fits = np.empty(0, dtype=bool)

    def look(
        self, study: Study, number: int, space: Mapping[str, BaseDistribution]
    ) -> NDArray[np.float64]:
        """Return the values of all trials but one that have no parameter outside of a space.

        Of shape (trials, parameters of the space), NaN where a trial lacks a parameter; a choice
        is given by its number.
        """
        trials = study.get_trials(deepcopy=False)
        if [*space.items()] != [*self._space.items()] or len(trials) < len(self._fits):
            self._begin(space)
        more = len(trials) - len(self._fits)
        self._table = np.pad(self._table, ((0, more), (0, 0)), constant_values=np.nan)
        self._fits = np.pad(self._fits, (0, more))
        for trial in self._changes.since(trials):
            self._place(trial)
        fits = self._fits.copy()
        fits[number : number + 1] = False
        return self._table[fits]

    def _place(self, trial: FrozenTrial) -> None:
        own = _varied(trial.distributions)
        self._fits[trial.number] = bool(own) and own.items() <= self._space.items()
        if self._fits[trial.number]:
            self._table[trial.number] = [
                each.to_internal_repr(trial.params[name]) if name in own else np.nan
                for name, each in self._space.items()
            ]


def _is_near_any(
    proposal: Mapping[str, Any],
    earlier: NDArray[np.float64],
    space: Mapping[str, BaseDistribution],
    reach: float,
) -> bool:
    """Tell whether an earlier trial is within reach in every parameter that it has."""
    near = np.ones(len(earlier), dtype=bool)
    for column, (name, distribution) in zip(earlier.T, space.items(), strict=True):
        value = distribution.to_internal_repr(proposal[name])
        near &= ~(np.abs(all_apart(distribution, column, value)) > reach)  # NaN: it has none
    return bool(near.any())
