"""What a study has used of its budget, over all workers, commands and resumptions.

Counted from what the study stores: epochs exactly, hours to within a third of a lease. Each
process looks when it claims a trial and when it has reported an epoch, at little cost: after a
look the next one waits a multiple of the time that it took, unless the epochs that all processes
may have reported since could be the last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from commons.energy import Packages, gpus_joules
from hpo.attributes import LOSSES, WORKER, own_trials
from hpo.budgets import Budget
from hpo.reporting.pareto import is_feasible
from hpo.reporting.spending import Cost, workers_of
from hpo.settings import SettingError
from hpo.view import View

_REST = 50  # a look takes at most this part of the time
_HOURS = {"core_hours": "core_h", "gpu_hours": "gpu_h", "energy_kwh": "energy_kwh"}


@dataclass(frozen=True)
class Reached:
    """A budget that has ended the sweep."""

    name: str
    limit: float
    how: str

    def text(self, key: str) -> str:
        """Return it as a user states it; `key` is that of all budgets."""
        return f"{key}.{self.name}={self.limit:g} ({self.how})"


class Spent:
    """What one process knows of the costs and results of a study.

    Args:
        storage: where the study is.
        study_id: Optuna's id of it.
        budget: without one nothing is read.
        clock: seconds, monotonic.

    Attributes:
        known: what the last look has found.
        is_blind: no worker could read its energy, when costs were last looked at.
    """

    def __init__(
        self,
        storage: BaseStorage,
        study_id: int,
        budget: Budget,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage, self._study_id, self.budget = storage, study_id, budget
        self._clock = clock
        self._view = View(storage, study_id)
        self._own: tuple[str, Callable[[], dict[str, Any]]] | None = None
        self._maximizes = False
        if budget.is_set:
            directions = storage.get_study_directions(study_id)
            self._maximizes = directions[0] == StudyDirection.MAXIMIZE
        self._epochs_ended = self._n_epochs = self._n_reported = 0
        self._n_running = 1
        self._with_losses: list[FrozenTrial] = []
        self._best: tuple[int, float] | None = None  # number and value of the best feasible trial
        self._n_since = 0
        self._next_look = 0.0
        self.known: Reached | None = None
        self.is_blind = False

    @property
    def counts_epochs(self) -> bool:
        """Whether each report must be stored at once."""
        return self.budget.epochs is not None

    def own(self, name: str, figures: Callable[[], dict[str, Any]]) -> None:
        """Count this process, the worker `name`, by its figures and not by what it has stored."""
        self._own = name, figures

    def reached(self) -> Reached | None:
        """Look at the study; return a budget that is reached, None: go on."""
        if not self.budget.is_set:
            return None
        begin = self._clock()
        for trial in sorted(own_trials(self._view.look()), key=_when):
            self._note_end(trial)
        self._n_reported = 0
        unfinished = self._view.unfinished
        reported = sum(len(trial.intermediate_values) for trial in unfinished)
        self._n_epochs = self._epochs_ended + reported
        self._n_running = max(1, sum(trial.state == TrialState.RUNNING for trial in unfinished))
        self.known = self._judge()
        now = self._clock()
        self._next_look = now + _REST * (now - begin)
        return self.known

    def reached_after_report(self) -> Reached | None:
        """Do as `reached` after an epoch of this process, at little cost."""
        self._n_reported += 1
        limit = self.budget.epochs
        new = self._n_reported * self._n_running  # if the others report as often
        may_be_last = limit is not None and self._n_epochs + new >= limit
        if may_be_last or self._clock() >= self._next_look:
            return self.reached()
        return self.known

    def _note_end(self, trial: FrozenTrial) -> None:
        self._epochs_ended += len(trial.intermediate_values)
        if LOSSES in trial.user_attrs:
            self._with_losses.append(trial)
        is_complete = trial.state == TrialState.COMPLETE
        if is_complete and is_feasible(trial) and self._is_better(trial):
            self._best, self._n_since = (trial.number, trial.values[0]), 0
        elif is_complete or _was_pruned_in_training(trial):
            self._n_since += self._best is not None

    def _is_better(self, trial: FrozenTrial) -> bool:
        best, value = self._best, trial.values[0]
        return best is None or (value > best[1] if self._maximizes else value < best[1])

    def _judge(self) -> Reached | None:
        budget, best = self.budget, self._best
        if budget.epochs is not None and self._n_epochs >= budget.epochs:
            return Reached("epochs", budget.epochs, f"{self._n_epochs} reported")
        if budget.target is not None and best is not None:
            number, value = best
            if value >= budget.target if self._maximizes else value <= budget.target:
                return Reached("target", budget.target, f"trial {number}: {value:.6g}")
        if budget.patience_trials is not None and self._n_since >= budget.patience_trials:
            how = f"{self._n_since} trials since the best, trial {best[0] if best else None}"
            return Reached("patience_trials", budget.patience_trials, how)
        return self._judge_hours()

    def _judge_hours(self) -> Reached | None:
        limits = {name: getattr(self.budget, name) for name in _HOURS}
        if all(limit is None for limit in limits.values()):
            return None
        cost = self.cost()
        for name, figure in _HOURS.items():
            used, limit = getattr(cost, figure), limits[name]
            if used is not None and limit is not None and used >= limit:
                return Reached(name, limit, f"{used:.4g} used")
        return None

    def cost(self) -> Cost:
        """Return what all workers have used, at the last look at the trials."""
        attributes: Mapping[str, Any] = self._storage.get_study_user_attrs(self._study_id)
        if self._own is not None:
            name, figures = self._own
            attributes = {**attributes, WORKER + name: figures()}
        workers = workers_of(attributes, [*self._with_losses, *self._view.unfinished])
        cost = sum((worker.cost for worker in workers.values()), Cost(epochs=self._n_epochs))
        self.is_blind = bool(workers) and cost.energy_kwh is None
        return cost


def _was_pruned_in_training(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.PRUNED and trial.last_step is not None


def _when(trial: FrozenTrial) -> float:
    return trial.datetime_complete.timestamp() if trial.datetime_complete is not None else 0.0


def check_countable(budget: Budget, gpus: Sequence[str]) -> None:
    """Refuse a budget that workers on this machine, with these GPUs, would never reach.

    Raises:
        SettingError: names it.
    """
    if budget.gpu_hours is not None and not gpus:
        rule = "{budget}.gpu_hours={:g}: no GPU is used, so it would never be reached"
        raise SettingError(rule, budget.gpu_hours)
    is_known = budget.energy_kwh is None or gpus_joules(gpus) is not None
    if not is_known and Packages().joules() is None:
        raise SettingError(
            "{budget}.energy_kwh={:g}: no energy can be read here, neither of the processors "
            "(/sys/class/powercap, often for root alone) nor of GPUs (NVML with the extra energy, "
            "rocm-smi)",
            budget.energy_kwh,
        )
