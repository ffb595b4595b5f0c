"""The sweep: create or resume the study, launch the workers once, watch them, report."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus
from hydra.errors import CompactHydraException, InstantiationException
from hydra.types import HydraContext, TaskFunction
from hydra.utils import get_method, instantiate
from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial, TrialState

from hpo import signals
from hpo.best import APP, describe_app
from hpo.launcher import n_cores
from hpo.lease import RETRIES, release_abandoned
from hpo.progress import Progress
from hpo.redact import hide, hide_in, passwords
from hpo.report import write_report
from hpo.space import Space, parse_space, render
from hpo.study import (
    SweepSpec,
    absolute,
    open_storage,
    open_study,
    study_lock,
    too_many_failures,
)
from hpo.worker import Worker

_log = logging.getLogger(__name__)
_FRUITLESS_LAUNCHES = 3


class SweepError(CompactHydraException):
    """Something the user can mend; Hydra prints its message without a traceback."""


@dataclass(frozen=True)
class SweepOptions:
    """The settings of `hydra/sweeper: optuna_async`; described in `docs/sweeps.md`."""

    study_name: str
    storage: Any = None
    direction: Any = "minimize"
    n_trials: int = 20
    n_workers: int | None = None
    n_jobs: int | None = None
    max_failure_rate: float = 0.0
    max_retries: int = 3
    lease_s: float = 60.0
    sampler: dict[str, Any] | None = None
    pruner: dict[str, Any] | None = None
    params: dict[str, Any] | None = None
    custom_search_space: str | None = None

    def __post_init__(self) -> None:
        if self.n_trials < 1:
            raise SweepError(f"n_trials must be at least 1, got {self.n_trials}")
        if self.workers < 1:
            raise SweepError(f"n_workers must be at least 1, got {self.workers}")
        if not 0 <= self.max_failure_rate <= 1:
            raise SweepError(f"max_failure_rate must be in 0..1, got {self.max_failure_rate}")
        if self.single_direction not in ("minimize", "maximize"):
            raise SweepError(f"direction must be minimize or maximize, got {self.direction}")

    @property
    def workers(self) -> int:
        """How many workers to launch; `n_jobs` is the name of hydra-optuna-sweeper."""
        chosen = self.n_jobs if self.n_workers is None else self.n_workers
        return n_cores() if chosen is None else chosen

    @property
    def single_direction(self) -> str:
        """The direction in lower case; a list of one is taken as that one."""
        one = self.direction
        if isinstance(one, list) and len(one) == 1:
            one = one[0]
        return str(getattr(one, "name", one)).lower()


class Sweep:
    """One command's part in a study: issue the tickets, launch workers until none is left.

    Args:
        options: the sweeper's settings.
        context: Hydra's.
        config: the whole configuration, `hydra` included.
        function: the application.
        arguments: the overrides of the command line.

    Raises:
        SweepError: the settings contradict each other or the existing study.
    """

    def __init__(
        self,
        options: SweepOptions,
        context: HydraContext,
        config: DictConfig,
        function: TaskFunction,
        arguments: Sequence[str],
    ) -> None:
        hidden = passwords(options.storage)
        hide_in(config, hidden)
        arguments = [hide(argument, hidden) for argument in arguments]
        self._context, self._config, self._function = context, config, function
        self._workers = options.workers if self._is_apart() else 1
        if self._workers < options.workers:
            _log.info("this launcher runs jobs one after another: one worker. hpo_local runs more")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            _check_parts(options)
            space = parse_space(options.params or {}, arguments, context.config_loader)
            self._spec = _spec(options, Path(config.hydra.sweep.dir).absolute(), space)
            with study_lock(self._spec.sweep_dir):
                self._storage = open_storage(self._spec.storage, self._spec.sweep_dir)
                study = open_study(self._spec, self._storage)
                keys = [*space.distributions]
                app = describe_app(config, context.config_loader, space.fixed, keys)
                study.set_user_attr(APP, app)
        except ValueError as error:
            raise SweepError(str(error)) from error
        self._study_id = self._storage.get_study_id_from_name(self._spec.study_name)

    def run(self) -> None:
        """Work towards `n_trials` finished trials; return when they are.

        Raises:
            SweepError: too many trials failed, or the workers end without doing anything.
            SystemExit: interrupted (code 130); the same command goes on.
        """
        spec = self._spec
        if not self._unfinished():
            _log.info(
                "study '%s' is finished, its %d trials are done; nothing to do. More: raise "
                "n_trials. Results: %s",
                spec.study_name,
                spec.n_trials,
                spec.sweep_dir,
            )
            return
        OmegaConf.save(self._config, spec.sweep_dir / "multirun.yaml")
        try:
            with signals.interrupt(), Progress(self._storage, self._study_id, self._is_apart()):
                self._work()
        except KeyboardInterrupt:
            self._release_abandoned()
            _log.warning("interrupted; the same command goes on where it stopped")
            raise SystemExit(130) from None
        summary = write_report(self._storage, spec.study_name, spec.sweep_dir)
        if too_many_failures(self._storage, self._study_id, spec):
            raise SweepError(self._failures())
        if summary.best is not None:
            _log.info("best configuration: %s/best.yaml; pictures beside it", spec.sweep_dir)

    def _is_apart(self) -> bool:
        """Tell whether the workers leave this terminal alone."""
        return "basic_launcher" not in str(self._config.hydra.launcher._target_)

    def _work(self) -> None:
        fruitless = 0
        while unfinished := self._unfinished():
            self._release_abandoned()
            if too_many_failures(self._storage, self._study_id, self._spec):
                return
            waiting = sum(trial.state == TrialState.WAITING for trial in self._unfinished())
            if not waiting:  # another command's workers have the rest
                time.sleep(1)
                continue
            errors = self._launch(min(self._workers, waiting))
            fruitless = fruitless + 1 if _marks(unfinished) == _marks(self._unfinished()) else 0
            if fruitless == _FRUITLESS_LAUNCHES:
                raise SweepError(f"the workers end without finishing a trial: {errors}")

    def _launch(self, n_workers: int) -> list[str]:
        """Run workers until they end; return what went wrong with them."""
        launch_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
        folder = f"workers/{launch_id}"
        worker = Worker(self._spec, launch_id, self._context, self._config, self._function)
        launcher_config = self._config.hydra.launcher
        if "max_processes" in launcher_config and launcher_config.max_processes is None:
            launcher_config.max_processes = n_workers
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=self._context, task_function=worker, config=self._config
        )
        _log.info("%d workers; their output: %s/%s", n_workers, self._spec.sweep_dir, folder)
        where = f"hydra.sweep.dir={render(str(self._spec.sweep_dir))}"
        jobs = [
            [*self._spec.space.fixed, where, f"hydra.sweep.subdir={folder}/{i}"]
            for i in range(n_workers)
        ]
        returns = launcher.launch(jobs, initial_job_idx=0)
        errors = [str(r._return_value) for r in returns if r.status == JobStatus.FAILED]
        for error in errors:
            _log.warning("a worker failed: %s", error)
        return errors

    def _release_abandoned(self) -> None:
        spec = self._spec
        with study_lock(spec.sweep_dir):
            release_abandoned(self._storage, self._study_id, spec.lease_s, spec.max_retries)

    def _unfinished(self) -> list[FrozenTrial]:
        trials = self._storage.get_all_trials(
            self._study_id, deepcopy=False, states=(TrialState.WAITING, TrialState.RUNNING)
        )
        return [trial for trial in trials if trial.number < self._spec.n_trials]

    def _failures(self) -> str:
        trials = self._storage.get_all_trials(
            self._study_id, deepcopy=False, states=(TrialState.FAIL,)
        )
        reasons = {t.user_attrs.get("fail_reason"): t.number for t in trials}  # the last of each
        last = [f"trial {number}: {reason}" for reason, number in reasons.items()][-3:]
        return (
            f"{len(trials)} trials failed, more than max_failure_rate="
            f"{self._spec.max_failure_rate} of n_trials={self._spec.n_trials} allows: "
            f"{'; '.join(last)}. They stay in the study: once the cause is mended, allow more "
            "of them or take another study_name"
        )


def _check_parts(options: SweepOptions) -> None:
    """Build once what each worker will build, so that a mistake is found before any starts."""
    for key in ("sampler", "pruner"):
        node = getattr(options, key)
        try:
            if node is not None:
                instantiate(dict(node))
        except InstantiationException as error:
            raise ValueError(f"{key}: {str(error.__cause__ or error).splitlines()[0]}") from error
    if options.custom_search_space is not None:
        try:
            get_method(options.custom_search_space)
        except Exception as error:
            raise ValueError(f"custom_search_space: {error}") from error


def _spec(options: SweepOptions, sweep_dir: Path, space: Space) -> SweepSpec:
    if not space.distributions and options.custom_search_space is None:
        raise ValueError("nothing to search: neither params nor the command line has a sweep")
    return SweepSpec(
        study_name=options.study_name,
        storage=absolute(options.storage),
        sweep_dir=sweep_dir,
        sampler=options.sampler,
        pruner=options.pruner,
        direction=options.single_direction,
        n_trials=options.n_trials,
        space=space,
        custom_search_space=options.custom_search_space,
        max_failure_rate=options.max_failure_rate,
        max_retries=options.max_retries,
        lease_s=options.lease_s,
    )


def _marks(trials: list[FrozenTrial]) -> list[tuple[int, int, int]]:
    """What changes when workers get anywhere with these trials."""
    return [(t.number, len(t.intermediate_values), t.system_attrs.get(RETRIES, 0)) for t in trials]
