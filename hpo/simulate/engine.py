"""Asynchronous sweeps in virtual time, with the sampler, pruner and decisions of live ones.

Every worker does what `hpo.worker` does: it takes an interrupted trial, else a paused one that the
policy chooses, else a new one, trains it epoch by epoch, reports, and does what the study says;
only an epoch is a look-up in a table of curves. Time is in seconds from the submission of the
workers.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from optuna.pruners import BasePruner
from optuna.trial import TrialState

from hpo.simulate.cluster import Cluster, Duration
from hpo.simulate.gpus import Crews, Gpus
from hpo.simulate.run import Run, Spent
from hpo.simulate.study import SimulatedStudy, Training
from hpo.simulate.timeline import Recorder, make_timeline
from hpo.simulate.trials import Trials
from hpo.study.life import Outcome


def replay(
    trials: Trials,
    pruner: BasePruner,
    *,
    n_workers: int = 1,
    seed: int = 0,
    gpus: Gpus | None = None,
    cluster: Cluster | None = None,
    budget: float = math.inf,
    good_loss: float = -math.inf,
) -> Run:
    """Return what a sweep spends and finds.

    Args:
        trials: where the configurations and curves come from.
        pruner: any of Optuna's, or an `hpo.PausingPruner`; a new object.
        n_workers: at least 1; a worker ends when no trial is left.
        gpus: in place of a number of workers; each worker has those of a trial.
        seed: of the trials' speeds and of what happens to workers.
        cluster: the machines; by default an epoch takes about 1 s, all else takes no time.
        budget: epochs of all workers together after which the sweep ends.
        good_loss: it also ends when a trial has finished with at most this loss.

    Raises:
        ValueError: the GPUs of trials change, and the pruner does not pause trials.
    """
    gpus = gpus or Gpus(n_workers)
    sweep = _Sweep(trials, pruner, seed, gpus, cluster or Cluster(), budget)
    return sweep.run(good_loss)


@dataclass(eq=False)
class _Worker:
    """A worker; with a trial, also where it is in that."""

    gpus: int
    submitted: float
    start_s: float  # from the start of its job until it is ready
    present_since: float = math.inf  # the start of its job
    training: Training | None = None
    since: float = 0.0  # when the first epoch began since it has the trial
    reached: float = 0.0  # when the last of these epochs was reported


class _Sweep:
    def __init__(
        self,
        trials: Trials,
        pruner: BasePruner,
        seed: int,
        gpus: Gpus,
        cluster: Cluster,
        budget: float,
    ) -> None:
        speeds = np.random.default_rng([seed, 0])
        slowness = partial(cluster.slowness, speeds)
        self._study = SimulatedStudy(trials, pruner, slowness, gpus.per_trial)
        self._gpus, self._crews = gpus, Crews[_Worker](gpus) if gpus.grow else None
        self._sign = -1.0 if trials.direction == "maximize" else 1.0
        self._cluster, self._budget = cluster, budget
        self._random = np.random.default_rng([seed, 3])
        self._events: list[tuple[float, int, Callable[[_Worker, float], None], _Worker]] = []
        self._workers: set[_Worker] = set()
        self._n_events = self._epochs = self._n_started = self._n_resumed = 0
        self._finished: list[tuple[Spent, float]] = []
        self._recorder, self._wall_s, self._has_changed = Recorder(), 0.0, True

    def run(self, good_loss: float) -> Run:
        for _ in range(self._gpus.n_workers if self._crews is None else 0):
            self._submit(self._gpus.per_trial.after(0), self._cluster.queue_s, 0.0)
        self._watch(0.0)
        while self._events and self._epochs < self._budget:
            now, _, act, worker = heapq.heappop(self._events)
            act(worker, now)
            self._watch(now)
            if self._finished and self._finished[-1][1] <= good_loss:
                break
        for worker in [*self._workers]:
            if worker.present_since < math.inf:
                self._leave(worker, self._wall_s)
            else:
                self._recorder.queued += [(worker.submitted, self._wall_s)] * worker.gpus
        timeline = make_timeline(self._recorder, self._gpus.n, self._wall_s)
        lengths, n_cut = self._study.lengths, self._study.n_cut
        return Run(self._spent(), tuple(self._finished), lengths, timeline, n_cut)

    def _spent(self) -> Spent:
        return Spent(self._epochs, self._n_started, self._n_resumed)

    def _at(self, time: float, act: Callable[[_Worker, float], None], worker: _Worker) -> None:
        self._n_events += 1  # two at the same time: the one scheduled first
        heapq.heappush(self._events, (time, self._n_events, act, worker))

    def _watch(self, now: float) -> None:
        """Submit workers of the sizes that waiting trials need, if something has changed."""
        if self._crews is None or not self._has_changed:
            return
        self._has_changed = False
        running = Counter(w.gpus for w in self._workers if w.training is not None)
        startable = partial(self._study.n_startable, limit=self._budget)
        for gpus in self._crews.missing(startable, running):
            self._submit(gpus, self._cluster.queue_s, now)

    def _submit(self, gpus: int, queue_s: Duration, now: float) -> None:
        begin = now + queue_s.draw(self._random)
        worker = _Worker(gpus, now, self._cluster.start_s.draw(self._random))
        self._workers.add(worker)
        if self._crews is None:  # there are GPUs for all workers
            self._start(worker, begin)
        else:
            self._crews.submitted(gpus)
            self._at(begin, self._queue, worker)

    def _queue(self, worker: _Worker, now: float) -> None:
        assert self._crews is not None
        for started in self._crews.queue(worker.gpus, worker):
            self._start(started, now)

    def _start(self, worker: _Worker, begin: float) -> None:
        worker.present_since = begin
        self._recorder.queued += [(worker.submitted, begin)] * worker.gpus
        self._at(begin + worker.start_s, self._occupy, worker)

    def _leave(self, worker: _Worker, now: float) -> None:
        """End the job of a worker, with the trial that it may have."""
        self._workers.remove(worker)
        self._recorder.present += [(worker.present_since, now)] * worker.gpus
        if worker.training is not None:
            self._put_down(worker)
            self._recorder.unfinished += [(worker.reached, now)] * worker.gpus

    def _occupy(self, worker: _Worker, now: float) -> None:
        if (waiting := self._study.next_waiting(worker.gpus)) is not None:
            self._resume(worker, waiting, now)
        # At most as many trials as epochs.
        elif (new := self._study.next_new(self._budget, worker.gpus)) is not None:
            self._n_started += 1
            self._train(worker, new, now, self._cluster.begin_s)
        elif self._study.n_running == 0 and (
            (last := self._study.wind_up(worker.gpus)) is not None
        ):
            self._resume(worker, last, now)
        else:
            self._leave(worker, now)
            self._hand_over(worker.gpus, now)

    def _hand_over(self, gpus: int, now: float) -> None:
        """Start the jobs that have waited for the GPUs of a worker that has left."""
        self._has_changed = True
        for started in self._crews.end(gpus) if self._crews is not None else ():
            self._start(started, now)

    def _resume(self, worker: _Worker, training: Training, now: float) -> None:
        self._n_resumed += 1
        self._train(worker, training, now, self._cluster.resume_s)

    def _train(self, worker: _Worker, training: Training, now: float, delay_s: float) -> None:
        worker.training, worker.since, worker.reached = training, now + delay_s, now + delay_s
        self._go_on(worker, now)

    def _go_on(self, worker: _Worker, now: float) -> None:
        """Schedule the end of the next epoch, or a fault before it."""
        end = worker.reached + self._epoch_s(worker)
        fault = self._cluster.fault(self._random, end - now)
        if fault is None:
            self._at(end, self._end_epoch, worker)
        else:
            after_s, is_preemption = fault
            self._at(now + after_s, self._preempt if is_preemption else self._fail, worker)

    def _epoch_s(self, worker: _Worker) -> float:
        training = _training(worker)
        epoch_s = training.curve.epoch_s
        epoch_s = self._cluster.epoch_s if epoch_s is None else epoch_s
        return training.slowness * epoch_s / self._gpus.speed(worker.gpus)

    def _end_epoch(self, worker: _Worker, now: float) -> None:
        training = _training(worker)
        self._epochs += 1
        self._wall_s = worker.reached = now
        outcome = self._study.report(training)
        if outcome is None:
            self._go_on(worker, now)
            return
        self._end(worker, outcome)
        if outcome.state is TrialState.COMPLETE:
            loss = self._sign * training.curve.final
            self._finished.append((self._spent(), loss))
            self._recorder.results.append((now, loss))
        self._occupy(worker, now)

    def _fail(self, worker: _Worker, now: float) -> None:
        self._recorder.n_failed += 1
        self._lose_epoch(worker, now)
        self._end(worker, Outcome(TrialState.FAIL))
        self._occupy(worker, now)

    def _preempt(self, worker: _Worker, now: float) -> None:
        self._recorder.n_preempted += 1
        self._lose_epoch(worker, now)
        self._study.interrupt(self._put_down(worker))
        self._leave(worker, now)
        self._hand_over(worker.gpus, now)
        self._submit(worker.gpus, self._cluster.requeue_s, now)

    def _lose_epoch(self, worker: _Worker, now: float) -> None:
        self._wall_s = now
        self._recorder.lost += [(worker.reached, now)] * worker.gpus

    def _end(self, worker: _Worker, outcome: Outcome) -> None:
        self._has_changed = True
        self._study.end(self._put_down(worker), outcome)

    def _put_down(self, worker: _Worker) -> Training:
        self._recorder.trained += [(worker.since, worker.reached)] * worker.gpus
        training, worker.training = _training(worker), None
        return training


def _training(worker: _Worker) -> Training:
    assert worker.training is not None
    return worker.training
