"""A sweep while it runs: its figures at one moment, at the cost of what has changed.

A finished trial is looked at once, so a look at 10,000 trials costs what a look at the running
ones does.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from hpo.attributes import BEAT, BEST, LEASE, LEASE_S, N_TRIALS, added_from, stored
from hpo.reporting.outlook import Outlook, outlook
from hpo.reporting.pareto import Front
from hpo.reporting.rungs import Lengths, Rung
from hpo.reporting.subject import told_goal
from hpo.reporting.summary import directions_of, metrics_of, n_epochs, reported_of
from hpo.reporting.waiting import on_hold, paused_at
from hpo.view import View

_LEASE_S = 60.0
_ATTRIBUTES_EVERY = 15  # looks: those of 500 workers are dear to read


@dataclass(frozen=True)
class Moment:
    """What there is to tell of a sweep at one moment.

    Attributes:
        name: of the study.
        metrics: name of each objective.
        reported: name of the one that trials report.
        goal: for example "minimize val_loss".
        n_trials: trials by state, those that were not begun among the waiting ones; and in total.
        on_hold: waiting trials that have begun, see `on_hold`.
        n_added: finished trials that the study began with.
        best: the best complete trial that is feasible, added ones included; None: there is none.
        running: running trials, the most promising first.
        n_alive: workers that have shown life.
        rungs: in order.
        epochs: values reported by all trials.
        outlook: how long it still takes; None: nothing can be said yet.
    """

    name: str
    metrics: Sequence[str]
    reported: str
    goal: str
    n_trials: dict[str, int]
    on_hold: dict[str, int]
    n_added: int
    best: FrozenTrial | None
    running: Sequence[FrozenTrial]
    n_alive: int
    rungs: Sequence[Rung]
    epochs: int
    outlook: Outlook | None

    @property
    def n_finished(self) -> int:
        """Trials that are complete, pruned or failed."""
        return sum(self.n_trials[state] for state in ("complete", "pruned", "fail"))


class Pulse:
    """Looks at a study again and again.

    Args:
        storage: where it is.
        study_id: Optuna's id of it.
        clock: seconds, monotonic.
    """

    def __init__(
        self, storage: BaseStorage, study_id: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._storage, self._study_id, self._clock = storage, study_id, clock
        self._view = View(storage, study_id)
        self._name = storage.get_study_name_from_id(study_id)
        study = optuna.load_study(study_name=self._name, storage=storage)
        directions, self._metrics = directions_of(study), metrics_of(study)
        self._goal = told_goal(directions, self._metrics)
        reported = reported_of(study.user_attrs, len(directions))
        self._reported = self._metrics[reported]
        self._lengths = Lengths(-1 if directions[reported] == "maximize" else 1)
        self._front = Front(directions)
        self._weights: list[float] | None = None
        self._counts: Counter[TrialState] = Counter()
        self._n_added = self._epochs = self._n_looks = self._budget = 0
        self._lease_s = _LEASE_S
        self._beats: dict[int, tuple[str, float]] = {}  # last heartbeat and when it was new

    def look(self) -> Moment:
        """Read what has changed."""
        self._read_attributes()
        for trial in self._view.look():
            self._note_end(trial)
        rest = self._within_budget(self._view.unfinished)
        running = [t for t in rest if t.state == TrialState.RUNNING]
        paused = [t for t in rest if paused_at(t) is not None]
        n_trials = self._n_trials(len(running))
        n_new = n_trials["waiting"] - len(paused)
        steps = [trial.last_step or 0 for trial in running]
        alive = [trial for trial in running if self._is_alive(trial)]
        return Moment(
            name=self._name,
            metrics=self._metrics,
            reported=self._reported,
            goal=self._goal,
            n_trials=n_trials,
            on_hold=on_hold(rest),
            n_added=self._n_added,
            best=self._front.best(self._weights),
            running=sorted(running, key=self._lengths.standing),
            n_alive=len(alive),
            rungs=self._lengths.rungs(rest),
            epochs=self._epochs + sum(map(n_epochs, rest)),
            outlook=outlook(self._lengths, steps, paused, n_new),
        )

    def _read_attributes(self) -> None:
        if self._n_looks % _ATTRIBUTES_EVERY == 0:
            attributes = self._storage.get_study_user_attrs(self._study_id)
            self._budget = stored(attributes, N_TRIALS, 0)
            self._lease_s = stored(attributes, LEASE_S, _LEASE_S)
            self._weights = stored(attributes, BEST)
        self._n_looks += 1

    def _within_budget(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        return [t for t in trials if not self._budget or t.number < self._budget]

    def _n_trials(self, n_running: int) -> dict[str, int]:
        total = (self._budget or self._view.n_trials) - self._n_added
        total = max(total, sum(self._counts.values()) + n_running)
        counts = {state.name.lower(): self._counts[state] for state in TrialState}
        waiting = total - sum(self._counts.values()) - n_running
        return {**counts, "running": n_running, "waiting": waiting, "total": total}

    def _note_end(self, trial: FrozenTrial) -> None:
        self._front.add(trial)
        if added_from(trial) is not None:
            self._n_added += 1
            return
        self._counts[trial.state] += 1
        self._lengths.add([trial])
        self._epochs += n_epochs(trial)

    def _is_alive(self, trial: FrozenTrial) -> bool:
        """Tell whether the owner of a running trial has shown life, by the clock of this one."""
        now, attributes = self._clock(), trial.system_attrs
        beat = repr((attributes.get(LEASE), attributes.get(BEAT), trial.last_step))
        known, since = self._beats.get(trial.number, ("", now))
        if known != beat:
            since = now
            self._beats[trial.number] = beat, now
        return now - since <= self._lease_s
