"""A worker: claim a trial, compose its configuration, run the application, tell; repeat."""

from __future__ import annotations

import gc
import logging
import math
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import Any

import optuna
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_method
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from commons.clocks import clock_trouble
from commons.optuna_internals import trial_id
from hpo import signals
from hpo.attributes import RUN, stored
from hpo.current import Checkpoint, FollowedTrial
from hpo.hydra_internals import configure_log, resolved_log, set_keys
from hpo.ranks import Group
from hpo.search.objectives import load
from hpo.search.seeded import Samplers, takes_turns
from hpo.settings import typed_key
from hpo.storage.batching import batched
from hpo.storage.folders import CHECKPOINT, StudyFolder
from hpo.storage.passwords import hide_in_logs
from hpo.study.lease import Lease
from hpo.study.life import Life
from hpo.study.limits import Limits
from hpo.study.portions import study_lock
from hpo.study.provenance import code_of, config_hash
from hpo.study.record import WorkerRecord
from hpo.study.study import SweepSpec
from hpo.study.trial import LeasedTrial
from hpo.worker.application import Application
from hpo.worker.fresh import run_in_fresh_process, work_in_fresh_processes

_log = logging.getLogger(__name__)


class Worker:
    """One worker of a sweep: a Hydra task function that any launcher can run; sent as a pickle."""

    def __init__(self, spec: SweepSpec, application: Application) -> None:
        self._spec, self._application = spec, application
        self._group = Group()
        self._code: dict[str, str] | None = None

    def rehearse(self) -> None:
        """Fill the caches of the parsers, and find out which code this is, for forks."""
        if self._application.template is not None:
            config = self._application.compose([*self._spec.space.fixed], 0)
            with suppress(OmegaConfBaseException):  # the trials will tell it
                config.hydra.runtime.output_dir = "."
                resolved_log(config.hydra.job_logging)
        if not self._spec.fresh_process:  # each imports the code that it finds
            self._code = code_of(self._application.function)

    def composed(self, overrides: Sequence[str]) -> DictConfig | None:
        """Return what Hydra would compose for this worker, by the template of its trials."""
        fixed = [*self._spec.space.fixed]
        own = [*overrides[len(fixed) :]]
        is_alike = overrides[: len(fixed)] == fixed and all(x.startswith("hydra.") for x in own)
        if self._application.template is None or not is_alike:
            return None
        config = self._application.compose(fixed, 0)
        set_keys(config, own)
        return config

    def __call__(self, _: DictConfig) -> None:
        """Work until no trial is left, too many trials have failed, or a signal arrives."""
        self._application.script.adopt()  # for launchers other than ours
        if trouble := clock_trouble(self._spec.sweep_dir):
            _log.warning(trouble)
        with signals.interrupt(once=True):
            try:
                if self._spec.fresh_process:
                    work_in_fresh_processes(self.work_once, self._application.script, self._group)
                else:
                    self._work()
            finally:
                with signals.shield():
                    self._group.dismiss()

    def work_once(self) -> bool:
        """Work on one trial; return whether there was one."""
        with signals.interrupt(once=True):
            return self._work(max_trials=1) == 1

    def _work(self, max_trials: float = math.inf) -> int:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        hide_in_logs()
        own: Any = HydraConfig.get()
        n_trials, own_log = 0, resolved_log(own.job_logging)
        name = f"{self._application.launch_id}/{own.job.num}"
        code = self._code or code_of(self._application.function)
        leader = _Leader(self._spec, self._application, self._group, name, code)
        with leader.limits, leader.record:
            while n_trials < max_trials and leader.work_on_next():
                n_trials += 1
                leader.record.end_of_trial()
                configure_log(own_log, own.verbose)  # run_job gave it to the trial
                _tidy_up()
        return n_trials

    def join(self, group: Group) -> None:
        """Train trials with the other ranks of this group."""
        self._group = group

    def follow(self) -> None:
        """Run the trials that rank 0 of this group publishes, until it ends."""
        with signals.interrupt(once=True):
            for note in self._group.trials():
                follow = partial(self._follow, note["overrides"], note["trial"], note["parent"])
                if self._spec.fresh_process:
                    run_in_fresh_process(follow, self._application.script)
                else:
                    follow()
                    _tidy_up()

    def _follow(self, overrides: list[str], trial_number: int, parent: int | None) -> None:
        application, spec = self._application, self._spec
        home = StudyFolder(spec.sweep_dir, spec.study_name, spec.study_id)
        checkpoint = Checkpoint(home.of(trial_number) / CHECKPOINT, parent)
        trial = FollowedTrial(trial_number, self._group, checkpoint)
        config = application.compose(overrides, trial_number)
        with open_dict(config.hydra):
            config.hydra.output_subdir = None  # rank 0 has written it
        train = partial(application.run, application.function, config, trial, leads=False)
        outcome = Life(len(self._spec.directions)).run(train)
        if outcome.error is not None or outcome.diverged is not None:
            self._group.complain(outcome.reason or f"diverged: {outcome.diverged}")


class _Leader:
    """Rank 0 of a worker, the only one that uses the storage."""

    def __init__(
        self,
        spec: SweepSpec,
        application: Application,
        group: Group,
        name: str,
        code: dict[str, str],
    ) -> None:
        self._spec, self._application, self._group = spec, application, group
        self._storage = spec.open_storage(exists=True)
        study_id = spec.find(self._storage)
        self._pruner = spec.make_pruner()
        self._samplers = Samplers(spec.sampler)
        pruner = self._pruner or optuna.pruners.NopPruner()
        place = spec.study_name, self._storage
        self._study = load(*place, None, pruner, spec.goals.reported)
        self._tickets = spec.tickets(self._storage, self._pruner)
        key = partial(typed_key, application.config, "hydra.sweeper")
        time, spent = self._tickets.time, self._tickets.spent
        further = key, group.size == 1, spent if spec.budget.is_set else None
        self.limits = Limits(spec.trial_timeout, spec.epoch_timeout, time, *further)
        self._code = code
        self._home = StudyFolder(spec.sweep_dir, spec.study_name, spec.study_id)
        self.record = WorkerRecord(self._storage, study_id, name)
        self._tickets.enter(self.record)

    def work_on_next(self) -> bool:
        """Claim a trial and work on it; return whether there was one."""
        with self._tickets.claimed() as claim:
            if claim is not None:
                self._work_on(*claim)
            return claim is not None

    def _work_on(self, ticket: FrozenTrial, lease: Lease) -> None:
        # One study and what samplers know of it are kept: its finished trials are looked at once.
        self._study.sampler, seed = self._samplers.of(ticket.number)
        trial = LeasedTrial(self._study, trial_id(ticket), lease, self._group, self.limits)
        trial.home, trial.bounds = self._home, self._spec.goals.constraints
        try:
            trial.live(lambda: self._train(trial, seed))
        finally:
            self.record.add(trial)

    def _train(self, trial: LeasedTrial, seed: int | None) -> Any:
        is_new = stored(trial.user_attrs, RUN) is None
        overrides = self._suggest(trial, seed)
        aside = self._home.put_aside(trial.number) if is_new else None
        if aside is not None:
            _log.warning("trial %d begins anew: %s is of a lost run", trial.number, aside)
        trial.hold_in(self._home.take(trial.number, is_begun=not is_new, parent=trial.parent))
        config = self._application.compose(overrides, trial.number)
        left_out = [*trial.params, *self._spec.own_groups]
        trial.note({**self._code, "config": config_hash(config, left_out)})
        self._group.publish(overrides, trial.number, trial.parent)
        function = partial(trial.timed, self._application.function)
        return self._application.run(function, config, trial)

    def _suggest(self, trial: LeasedTrial, seed: int | None) -> list[str]:
        spec = self._spec
        with signals.shield(), self._turn(trial.study.sampler), batched(self._storage):
            spec.space.suggest(trial)
            if spec.custom_search_space is not None:
                get_method(spec.custom_search_space)(self._application.config, trial)
            overrides = spec.space.overrides(trial.params)
            # One attribute: all workers read all records of the journal.
            run = {"overrides": overrides, "worker": self.record.name, "sampler_seed": seed}
            trial.set_user_attr(RUN, run)
        return overrides

    def _turn(self, sampler: BaseSampler) -> AbstractContextManager[Any]:
        shares = takes_turns(sampler, self._spec.space.distributions)
        return study_lock(self._spec.sweep_dir) if shares else nullcontext()


def _tidy_up() -> None:
    torch = sys.modules.get("torch")
    if torch is None:  # the application does not use it
        return
    gc.collect()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # the next trial has one of its own
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
