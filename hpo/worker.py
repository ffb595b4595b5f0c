"""A worker: claim a ticket, compose its configuration, run the application, tell, and again."""

from __future__ import annotations

import gc
import logging
import math
import os
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any

import optuna
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import configure_log, run_job
from hydra.types import HydraContext, TaskFunction
from hydra.utils import get_method, instantiate
from omegaconf import DictConfig, open_dict
from optuna.trial import FrozenTrial, TrialState

from hpo import signals
from hpo.lease import Lease, LeaseLostError, release_abandoned
from hpo.redact import hide_in, passwords
from hpo.study import (
    SweepSpec,
    claim,
    make_sampler,
    open_storage,
    study_lock,
    too_many_failures,
)
from hpo.summary import WORKER
from hpo.trial import ActiveTrial, set_current_trial

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
        outcome: set once it has been called.
        seconds: wall time inside the application.
    """

    def __init__(self, function: TaskFunction, trial: ActiveTrial) -> None:
        self._function, self._trial = function, trial
        self.outcome = Outcome(TrialState.FAIL, reason="it did not start")
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
            self.outcome = Outcome(TrialState.PRUNED)
        except FloatingPointError as error:
            self._trial.set_user_attr("diverged", str(error))
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

    def _judge(self, value: Any) -> Outcome:
        if self._trial.pruned:
            return Outcome(TrialState.PRUNED)
        try:
            number = float(value)
        except (TypeError, ValueError):
            return Outcome(TrialState.FAIL, reason=f"the task returned {value!r}, not a number")
        if not math.isfinite(number):
            self._trial.set_user_attr("diverged", "end")
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

    def __call__(self, _: DictConfig) -> None:
        """Work until no ticket is left, too many trials have failed, or a signal comes."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._storage = open_storage(self._spec.storage, self._spec.sweep_dir)
        self._study_id = self._storage.get_study_id_from_name(self._spec.study_name)
        self._pruner = instantiate(self._spec.pruner) if self._spec.pruner else None
        own: Any = HydraConfig.get()
        self._name = f"{self._launch_id}/{own.job.num}"
        self._record: dict[str, Any] = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "start": time.time(),
            "end": time.time(),
            "busy_s": 0.0,
            "n_trials": 0,
        }
        self._write_record()
        with signals.interrupt(once=True):
            try:
                while (ticket := self._next_ticket()) is not None:
                    self._work_on(ticket)
                    configure_log(own.job_logging, own.verbose)  # run_job gave it to the trial
                    self._write_record()
                    _free_memory()
            finally:
                self._write_record()

    def _next_ticket(self) -> FrozenTrial | None:
        spec = self._spec
        while not too_many_failures(self._storage, self._study_id, spec):
            ticket = claim(self._storage, self._study_id, spec.n_trials)
            if ticket is not None:
                return ticket
            with study_lock(spec.sweep_dir):
                released = release_abandoned(
                    self._storage, self._study_id, spec.lease_s, spec.max_retries
                )
            if not released:
                return None
        return None

    def _work_on(self, ticket: FrozenTrial) -> None:
        with Lease(self._storage, ticket._trial_id, self._spec.lease_s) as lease:
            study, seed = self._study_for(ticket.number)
            trial = optuna.Trial(study, ticket._trial_id)
            task = Task(self._function, ActiveTrial(trial, lease))
            try:
                self._run(trial, task)
            except Exception as error:  # noqa: BLE001 - composing or sampling failed
                _log.exception("trial %d could not start", ticket.number)
                task.outcome = Outcome(TrialState.FAIL, reason=_reason(error))
            finally:
                self._record["busy_s"] += task.seconds
                trial.set_user_attr("seconds", trial.user_attrs.get("seconds", 0) + task.seconds)
            self._record["n_trials"] += 1
            trial.set_user_attr("worker", self._name)
            trial.set_user_attr("sampler_seed", seed)
            self._tell(study, trial, task.outcome, lease)

    def _tell(
        self, study: optuna.Study, trial: optuna.Trial, outcome: Outcome, lease: Lease
    ) -> None:
        if outcome.reason is not None:
            trial.set_user_attr("fail_reason", outcome.reason)
        try:
            lease.renew()
            lease.check()
        except LeaseLostError:
            _log.warning("trial %d was taken over; its result is dropped", trial.number)
            return
        study.tell(trial, outcome.value, state=outcome.state)

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

    def _run(self, trial: optuna.Trial, task: Task) -> None:
        spec = self._spec
        spec.space.suggest(trial)
        if spec.custom_search_space is not None:
            get_method(spec.custom_search_space)(self._config, trial)
        overrides = spec.space.overrides(trial.params)
        trial.set_user_attr("overrides", overrides)
        config = self._context.config_loader.load_sweep_config(self._config, overrides)
        hide_in(config, passwords(spec.storage))
        with open_dict(config.hydra):
            config.hydra.job.num = trial.number
            config.hydra.job.id = f"{self._name}/{trial.number}"
            config.hydra.sweep.dir = str(spec.sweep_dir)
            config.hydra.sweep.subdir = trial_dir(trial.number)
        run_job(
            hydra_context=self._context,
            task_function=task,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )

    def _write_record(self) -> None:
        self._record["end"] = time.time()
        self._storage.set_study_user_attr(self._study_id, WORKER + self._name, dict(self._record))


def trial_dir(number: int) -> str:
    """Return the folder of a trial, relative to the sweep folder."""
    return f"trials/{number:04d}"


def _reason(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the task called sys.exit({error.code})"
    return f"{type(error).__name__}: {error}"[:500]


def _free_memory() -> None:
    gc.collect()
    torch = sys.modules.get("torch")  # only if the application uses it
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
