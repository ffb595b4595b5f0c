"""A worker: claim a ticket, compose its configuration, run the application, tell, and again."""

from __future__ import annotations

import gc
import logging
import math
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import optuna
from hydra.core.hydra_config import HydraConfig
from hydra.types import HydraContext, TaskFunction
from hydra.utils import get_method
from omegaconf import DictConfig, open_dict
from optuna.trial import FrozenTrial, TrialState

from commons.optuna_internals import trial_id
from hpo import signals
from hpo.attributes import DIVERGED, FAIL_REASON, RUN
from hpo.current import FollowedTrial, set_current_trial
from hpo.hydra_internals import configure_log, error_of, instantiate, run
from hpo.ranks import alone
from hpo.storage.batching import batched
from hpo.storage.passwords import hide_in, stored_passwords
from hpo.study.lease import Lease, LeaseLostError
from hpo.study.study import SweepSpec, have_failed_too_often, make_sampler, make_screen
from hpo.study.tickets import Tickets, study_lock
from hpo.study.trial import LeasedTrial
from hpo.worker.record import WorkerRecord

_log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """How a trial ended."""

    state: TrialState
    value: float | None = None
    reason: str | None = None


class Task:
    """The application's task function with a trial in place; remembers how it ended.

    Attributes:
        outcome: set once it has been called; None if the trial is paused.
        seconds: wall time inside the application.
    """

    def __init__(self, function: TaskFunction, trial: LeasedTrial) -> None:
        self._function, self._trial = function, trial
        self.outcome: Outcome | None = Outcome(TrialState.FAIL, reason="it did not start")
        self.seconds = 0.0

    def __call__(self, config: DictConfig) -> Any:
        """Run the application; only an interruption gets out."""
        begin = time.monotonic()
        set_current_trial(self._trial)
        value: Any = None
        try:
            value = self._function(config)
            self.outcome = self._judge(value)
        except optuna.TrialPruned:
            self.outcome = None if self._is_paused() else Outcome(TrialState.PRUNED)
        except FloatingPointError as error:
            self._trial.set_user_attr(DIVERGED, str(error))
            self.outcome = Outcome(TrialState.PRUNED)
        except (Exception, SystemExit) as error:
            if isinstance(error, SystemExit) and signals.received():
                raise  # Lightning turns an interruption into an exit
            _log.exception("trial %d failed", self._trial.number)
            self.outcome = Outcome(TrialState.FAIL, reason=_reason(error))
        finally:
            set_current_trial(None)
            self.seconds = time.monotonic() - begin
        return value

    def _is_paused(self) -> bool:
        return self._trial.paused_at is not None and not self._trial.pruned

    def _judge(self, value: Any) -> Outcome | None:
        if self._is_paused():
            return None
        if self._trial.pruned:
            return Outcome(TrialState.PRUNED)
        try:
            number = float(value)
        except (TypeError, ValueError):
            return Outcome(TrialState.FAIL, reason=f"the task returned {value!r}, not a number")
        if not math.isfinite(number):
            self._trial.set_user_attr(DIVERGED, "end")
            return Outcome(TrialState.PRUNED)
        return Outcome(TrialState.COMPLETE, value=number)


class Worker:
    """One worker of a sweep, in the form of a Hydra task function that any launcher can run.

    Args:
        spec: the sweep.
        launch_id: names the workers of one launch.
        context: Hydra's, to compose the trials' configurations.
        config: the sweep's own configuration.
        function: the application.

    Attributes:
        group: the tasks that train its trials; a launcher that starts several sets it.
    """

    def __init__(
        self,
        spec: SweepSpec,
        launch_id: str,
        context: HydraContext,
        config: DictConfig,
        function: TaskFunction,
    ) -> None:
        self._spec, self._launch_id = spec, launch_id
        self._context, self._config, self._function = context, config, function
        self.group = alone()

    def __call__(self, _: DictConfig) -> None:
        """Work until nothing is left to do, too many trials have failed, or a signal comes."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._storage = self._spec.open_storage(exists=True)
        self._study_id = self._storage.get_study_id_from_name(self._spec.study_name)
        self._pruner = instantiate(self._spec.pruner) if self._spec.pruner else None
        self._screen = make_screen(self._spec)
        tickets = self._spec.tickets(self._storage, self._pruner)
        own: Any = HydraConfig.get()
        self._record = WorkerRecord(
            self._storage, self._study_id, f"{self._launch_id}/{own.job.num}"
        )
        with signals.interrupt(once=True):
            try:
                while self._work_on_next(tickets):
                    self._record.end_of_trial()
                    configure_log(own.job_logging, own.verbose)  # run_job gave it to the trial
                    _tidy_up()
            finally:
                with signals.shield():
                    self._record.write()
                    self.group.dismiss()

    def follow(self) -> None:
        """Run the trials that rank 0 of this group publishes, until it lets go."""
        with signals.interrupt(once=True):
            for note in self.group.trials():
                self._follow(note["overrides"], note["trial"])
                _tidy_up()

    def _work_on_next(self, tickets: Tickets) -> bool:
        """Claim a trial and work on it; return whether there was one."""
        with ExitStack() as stack:
            # An interruption waits until the claim has a lease, which then gives the trial back.
            with signals.shield():
                trials = tickets.trials()
                if have_failed_too_often(trials, self._spec):
                    return False
                ticket = tickets.take(trials)
                if ticket is None:
                    return False
                lease = Lease(self._storage, trial_id(ticket), self._spec.lease_s)
                stack.enter_context(lease)
            self._work_on(ticket, lease)
        return True

    def _work_on(self, ticket: FrozenTrial, lease: Lease) -> None:
        study, seed = self._study_for(ticket.number)
        trial = LeasedTrial(study, trial_id(ticket), lease, self.group)
        task = Task(self._function, trial)
        try:
            self._run(trial, task, seed)
        except LeaseLostError:
            task.outcome = None
        except Exception as error:  # noqa: BLE001 - composing or sampling failed
            _log.exception("trial %d could not start", ticket.number)
            task.outcome = Outcome(TrialState.FAIL, reason=_reason(error))
        except BaseException:
            task.outcome = None
            self._end(study, trial, task, lease)
            raise  # the lease gives the trial back
        self._end(study, trial, task, lease)
        if task.outcome is None:
            lease.give_back(trial.paused_at)

    def _end(self, study: optuna.Study, trial: LeasedTrial, task: Task, lease: Lease) -> None:
        with signals.shield(), batched(self._storage):
            self.group.end()
            self._record.add(task.seconds, trial)
            if task.outcome is None:
                return
            if task.outcome.reason is not None:
                trial.set_user_attr(FAIL_REASON, self.group.complaint() or task.outcome.reason)
            lease.tell(study, trial, task.outcome.value, task.outcome.state)

    def _study_for(self, trial_number: int) -> tuple[optuna.Study, int | None]:
        # A study object per trial: Optuna's cache of the other trials is only renewed by `ask`.
        sampler, seed = make_sampler(self._spec.sampler, trial_number)
        study = optuna.load_study(
            study_name=self._spec.study_name,
            storage=self._storage,
            sampler=sampler,
            pruner=self._pruner or optuna.pruners.NopPruner(),
        )
        return study, seed

    def _run(self, trial: LeasedTrial, task: Task, seed: int | None) -> None:
        spec, is_new = self._spec, RUN not in trial.user_attrs
        with signals.shield(), batched(self._storage):
            spec.space.suggest(trial)
            if spec.custom_search_space is not None:
                get_method(spec.custom_search_space)(self._config, trial)
            overrides = spec.space.overrides(trial.params)
            # One attribute: all workers read all records of the journal.
            record = {"overrides": overrides, "worker": self._record.name, "sampler_seed": seed}
            trial.set_user_attr(RUN, record)
        if is_new and self._skips(trial):
            task.outcome = Outcome(TrialState.PRUNED)
            return
        config = self._compose(overrides, trial.number)
        self.group.publish(overrides, trial.number)
        run(self._context, config, task)

    def _skips(self, trial: LeasedTrial) -> bool:
        if self._screen is None:
            return False
        # The lock makes the share of skipped trials exact, however many workers decide.
        with signals.shield(), study_lock(self._spec.sweep_dir):
            return self._screen.skips(trial.study, self._storage.get_trial(trial_id(trial)))

    def _follow(self, overrides: list[str], trial_number: int) -> None:
        config = self._compose(overrides, trial_number)
        with open_dict(config.hydra):
            config.hydra.output_subdir = None  # rank 0 has written it
        set_current_trial(FollowedTrial(trial_number, self.group))
        try:
            result = run(self._context, config, self._function, log=False)
        finally:
            set_current_trial(None)
        error = error_of(result)
        if error is not None and not isinstance(error, optuna.TrialPruned):
            self.group.complain(_reason(error))

    def _compose(self, overrides: list[str], trial_number: int) -> DictConfig:
        config = self._context.config_loader.load_sweep_config(self._config, overrides)
        hide_in(config, stored_passwords())
        with open_dict(config.hydra):
            config.hydra.job.num = trial_number
            config.hydra.job.id = f"{self._launch_id}/{trial_number}"
            config.hydra.sweep.dir = str(self._spec.sweep_dir)
            config.hydra.sweep.subdir = trial_dir(trial_number)
        return config


def trial_dir(number: int) -> str:
    """Return the folder of a trial, relative to the sweep folder."""
    return f"trials/{number:04d}"


def _reason(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the task called sys.exit({error.code})"
    return f"{type(error).__name__}: {error}"[:500]


def _tidy_up() -> None:
    torch = sys.modules.get("torch")  # only if the application uses it
    if torch is None:
        return
    gc.collect()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # the next trial has one of its own
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
