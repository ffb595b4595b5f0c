"""Population based training: poor trials are replaced by changed copies of good ones.

.. [Jaderberg2017] Population Based Training of Neural Networks, arXiv:1711.09846.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import numpy as np
from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from commons.rungs import sign
from hpo.attributes import LEASE
from hpo.search.explore import EXPLORERS
from hpo.search.lineage import Origin, curve, parent_of
from hpo.search.pausing import PausingPruner

_LEFT = (TrialState.PRUNED, TrialState.FAIL)


class PopulationPruner(PausingPruner):
    """Population based training [Jaderberg2017]_ without a barrier, for any number of workers.

    The first `population` trials begin with hyperparameters of the study's sampler. Every
    `interval` steps a trial is compared with each other member of the population, at the latest
    step that both have reached. One in the worst `quantile` is pruned, and a new trial takes its
    place: it begins with the checkpoint of a random member of the best `quantile` and with changed
    hyperparameters of that one. So `n_trials` counts replacements too; when it is used up, the
    remaining members train to their ends. Trials that nobody needs end without an epoch.

    With fewer workers than members, a trial pauses after each interval until the others have got
    as far. A trial that has failed or diverged is replaced likewise.

    Args:
        population: number of members, at least 2.
        interval: steps between two comparisons of a trial, at least 1.
        quantile: share of the population that is replaced, and share that parents are drawn from,
            in (0, 0.5].
        max_resource: steps of a full training, after which nothing is compared. None: unknown.
        explore: how hyperparameters change. "perturb": times 0.8 or 1.2. "bandit": what a
            Gaussian process of the improvements so far finds best, as in PB2 (needs scikit-learn).
        resample: probability that a hyperparameter is drawn anew instead, in [0, 1].
        seed: together with the number of a trial it determines parent and changes.

    Raises:
        ValueError: a value is out of range.

    Example:
        >>> import tempfile, hpo, optuna
        >>> def objective(trial):
        ...     gain = trial.suggest_float("gain", 0, 1)
        ...     file = trial.checkpoint.folder / "state"  # that of the parent, if there is one
        ...     done, level = map(float, file.read_text().split()) if file.exists() else (0, 0)
        ...     for step in range(int(done) + 1, 9):
        ...         level += gain
        ...         _ = file.write_text(f"{step} {level}")
        ...         trial.report(level, step)
        ...         if trial.should_prune():
        ...             raise optuna.TrialPruned
        ...     return level
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     study = hpo.optimize(
        ...         objective,
        ...         study_name="s",
        ...         storage=f"{folder}/journal.log",
        ...         folder=folder,
        ...         n_trials=12,
        ...         direction="maximize",
        ...         sampler=optuna.samplers.RandomSampler(seed=1),
        ...         pruner=PopulationPruner(population=4, interval=2, max_resource=8),
        ...     )
        ...     sum(trial.state.name == "COMPLETE" for trial in study.trials)
        4
    """

    def __init__(
        self,
        population: int = 8,
        interval: int = 1,
        quantile: float = 0.25,
        max_resource: int | None = None,
        explore: str = "perturb",
        resample: float = 0.25,
        seed: int = 0,
    ) -> None:
        if population < 2:
            raise ValueError(f"population must be >= 2, got {population}")
        if interval < 1:
            raise ValueError(f"interval must be >= 1, got {interval}")
        if not 0 < quantile <= 0.5:
            raise ValueError(f"quantile must be in (0, 0.5], got {quantile}")
        if int(quantile * population) < 1:
            rule = f"quantile={quantile} of population={population} is less than one trial"
            raise ValueError(f"{rule}: at least {1 / population:.3g}")
        if max_resource is not None and max_resource < interval:
            raise ValueError(f"max_resource must be >= interval={interval}, got {max_resource}")
        if explore not in EXPLORERS:
            raise ValueError(f"explore must be {' or '.join(EXPLORERS)}, got {explore!r}")
        if not 0 <= resample <= 1:
            raise ValueError(f"resample must be in [0, 1], got {resample}")
        if explore == "bandit":
            import_module("sklearn")  # to say at once if it is missing
        self._population, self._interval, self._quantile = population, interval, quantile
        self._max_resource, self._seed = max_resource, seed
        self._explore, self._resample = EXPLORERS[explore], resample

    def may_begin(self, study: Study) -> bool:
        """Tell whether a place in the population is free."""
        return self._has_room(_Look(study))

    def is_due(self, before: int, step: int) -> bool:
        """Tell whether an interval ends between two reports."""
        is_full = self._max_resource is not None and step >= self._max_resource
        return not is_full and step // self._interval > before // self._interval

    def origin(self, study: Study, trial: FrozenTrial) -> Origin | None:
        """Return the parent and the hyperparameters of a new trial; None: it has no parent."""
        look = _Look(study)
        parents = self._parents(look)
        if look.n_begun < self._population or not parents:
            return None
        rng = np.random.default_rng([self._seed, trial.number])
        parent = parents[int(rng.integers(len(parents)))]
        params = self._explore(study, parent, look.trials, self._interval, self._resample, rng)
        return Origin(parent.number, _reached(parent), params)

    def pause(self, study: Study, trial: FrozenTrial) -> bool:
        """Pause where the trial goes on, but a member that waits is behind it."""
        if not self._is_compared(trial):
            return False
        look = _Look(study, trial)
        if self._is_replaced(look, trial):
            return False
        begin = look.n_begun < self._population and look.n_new > 0
        return begin or any(_reached(each) < _reached(trial) for each in look.waiting)

    def ends(self, study: Study, trial: FrozenTrial) -> bool:
        """End a trial of the worst quantile if another one may take its place."""
        return self._is_compared(trial) and self._is_replaced(_Look(study, trial), trial)

    def choose(self, study: Study, paused: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """Return the one with the fewest steps, of these the best; None: a place is free."""
        look = _Look(study)
        if look.n_new > 0 and self._has_room(look):
            return None
        return min(paused, key=lambda each: (_reached(each), look.n_better(each, look.members)))

    def _has_room(self, look: _Look) -> bool:
        if len(look.members) >= self._population:
            return False
        # What a last member without a parent would begin, nobody would be compared with.
        done = any(each.state == TrialState.COMPLETE for each in look.members)
        return look.n_begun < self._population or not done or bool(self._parents(look))

    def _is_compared(self, trial: FrozenTrial) -> bool:
        origin, (*_, before, last) = parent_of(trial), (0, 0, *sorted(trial.intermediate_values))
        if len(trial.intermediate_values) == 1 and origin is not None:
            before = origin[1]
        return self.is_due(before, last)

    def _is_replaced(self, look: _Look, trial: FrozenTrial) -> bool:
        if look.n_new <= self._population - len(look.members):  # all needed for free places
            return False
        begin = (_reached(trial) // self._interval - 1) * self._interval
        peers = [*look.members, *(each for each in look.replaced if _reached(each) > begin)]
        own = min(trial.intermediate_values)  # before that it had its parent's hyperparameters
        answers = [(each, look.is_better(each, trial, since=own)) for each in peers]
        compared = [each for each, answer in answers if answer is not None]
        better = [each for each, answer in answers if answer]
        worst = int(self._quantile * min(len(compared) + 1, self._population))
        return len(compared) - len(better) < worst and any(
            not each.state.is_finished() for each in better
        )

    def _parents(self, look: _Look) -> list[FrozenTrial]:
        """Return the best quantile of those members that still train and have a checkpoint."""
        able = [t for t in look.members if not t.state.is_finished() and t.intermediate_values]
        ranked = sorted(able, key=lambda each: (look.n_better(each, able), each.number))
        return ranked[: max(1, int(self._quantile * len(able)))]


class _Look:
    """The population at one moment.

    Attributes:
        trials: by number.
        n_begun: trials that a worker has had.
        n_new: trials that no worker has had yet.
        members: those that train, wait, or are complete.
        replaced: those that were pruned; each has left its place to a new trial.
        waiting: the members that wait for a worker.
    """

    def __init__(self, study: Study, trial: FrozenTrial | None = None) -> None:
        self.trials = {each.number: each for each in study.get_trials(deepcopy=False)}
        if trial is not None:  # as its worker sees it
            self.trials[trial.number] = trial
        begun = [each for each in self.trials.values() if _has_begun(each)]
        self.n_begun, self.n_new = len(begun), len(self.trials) - len(begun)
        self.members = [each for each in begun if each.state not in _LEFT]
        self.replaced = [each for each in begun if each.state == TrialState.PRUNED]
        self.waiting = [each for each in self.members if each.state == TrialState.WAITING]
        self._curves: dict[int, dict[int, float]] = {}
        self._sign = sign(study)

    def n_better(self, trial: FrozenTrial, others: Sequence[FrozenTrial]) -> int:
        """Return how many of `others` are better."""
        return sum(self.is_better(other, trial) is True for other in others)

    def is_better(self, one: FrozenTrial, other: FrozenTrial, since: int = 0) -> bool | None:
        """Compare two lineages at the latest step of both; None: the same, or none `since` then.

        Of equal ones that with the smaller number is better: some order there must be, or a
        population of equal members would explore nothing any more.
        """
        a, b = self._curve(one), self._curve(other)
        if one.number == other.number or not a or not b:
            return None
        step: int | None = min(max(a), max(b))
        if step not in a or step not in b:
            step = max(a.keys() & b.keys(), default=None)
        if step is None or step < since:
            return None
        return (self._sign * a[step], one.number) < (self._sign * b[step], other.number)

    def _curve(self, trial: FrozenTrial) -> dict[int, float]:
        if trial.number not in self._curves:
            self._curves[trial.number] = curve(trial, self.trials)
        return self._curves[trial.number]


def _has_begun(trial: FrozenTrial) -> bool:
    return trial.state != TrialState.WAITING or LEASE in trial.system_attrs or bool(trial.params)


def _reached(trial: FrozenTrial) -> int:
    origin = parent_of(trial)
    return max(trial.intermediate_values, default=origin[1] if origin else 0)
