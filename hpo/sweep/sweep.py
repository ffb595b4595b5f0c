"""The sweep: create or resume the study, launch the workers once, watch them, report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from hydra.errors import CompactHydraException, InstantiationException
from hydra.types import HydraContext, TaskFunction
from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial, TrialState

from hpo import signals
from hpo.attributes import APP, FAIL_REASON, RETRIES
from hpo.hydra_internals import instantiate, make_launcher
from hpo.launch.local import n_cores
from hpo.launch.slurm.site import Slurm
from hpo.report import write_report
from hpo.reporting.best import describe_app
from hpo.reporting.live import Progress
from hpo.search.space import Space, parse_space
from hpo.storage.opening import absolute
from hpo.storage.passwords import hide, hide_in, stored_passwords, without_passwords
from hpo.study.study import SweepSpec, make_screen, open_study, too_many_failures
from hpo.study.tickets import study_lock
from hpo.sweep.crew import LaunchedCrew, SlurmCrew, plan
from hpo.worker.worker import Worker

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
    patience_s: float = 300.0
    sampler: dict[str, Any] | None = None
    pruner: dict[str, Any] | None = None
    params: dict[str, Any] | None = None
    custom_search_space: str | None = None
    earlier_studies: list[str] | None = None
    screen: dict[str, Any] | None = None

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
    def chosen_workers(self) -> int | None:
        """How many workers are asked for; `n_jobs` is the name of hydra-optuna-sweeper."""
        return self.n_jobs if self.n_workers is None else self.n_workers

    @property
    def workers(self) -> int:
        """How many workers to launch on this machine: one per core if nothing is asked for."""
        return n_cores() if self.chosen_workers is None else self.chosen_workers

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
        storages = without_passwords([options.storage, options.earlier_studies])
        options = replace(options, storage=storages[0], earlier_studies=storages[1])
        hidden = stored_passwords()
        hide_in(config, hidden)
        arguments = [hide(argument, hidden) for argument in arguments]
        self._context, self._config, self._function = context, config, function
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            slurm = _slurm(context, config, function)
            self._workers = self._n_workers(options, slurm)
            _check_parts(options)
            space = parse_space(options.params or {}, arguments, context.config_loader)
            self._spec = _spec(options, Path(config.hydra.sweep.dir).absolute(), space)
            make_screen(self._spec)
            if slurm is not None and slurm.options.dry_run:
                slurm.show_script(self._workers, plan(self._spec, self._workers)[2])
                raise SystemExit(0)
            with study_lock(self._spec.sweep_dir) as lock:
                self._storage = self._spec.open_storage()
                study = open_study(self._spec, self._storage, lock)
                keys = [*space.distributions]
                app = describe_app(config, context.config_loader, space.fixed, keys)
                study.set_user_attr(APP, app)
        except ValueError as error:
            raise SweepError(str(error)) from error
        self._study_id = self._storage.get_study_id_from_name(self._spec.study_name)
        self._tickets = self._spec.tickets(self._storage, None)
        self._crew: LaunchedCrew | SlurmCrew
        crew = (self._spec, self._make_worker, context, config)
        if slurm is None:
            self._crew = LaunchedCrew(*crew)
        else:
            self._crew = SlurmCrew(*crew, self._storage, self._study_id, slurm)

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
            with (
                signals.interrupt(),
                Progress(self._storage, self._study_id, self._is_apart(), self._crew.status),
            ):
                try:
                    self._work()
                except KeyboardInterrupt:
                    self._crew.leave()
                    raise
        except KeyboardInterrupt:
            self._tickets.release_abandoned()
            _log.warning("interrupted; the same command goes on where it stopped")
            raise SystemExit(130) from None
        summary = write_report(self._storage, spec.study_name, spec.sweep_dir)
        if too_many_failures(self._storage, self._study_id, spec):
            raise SweepError(self._failures())
        if summary.best is not None:
            _log.info("best configuration: %s/best.yaml; pictures beside it", spec.sweep_dir)

    def _n_workers(self, options: SweepOptions, slurm: Slurm | None) -> int:
        if slurm is not None:
            return options.chosen_workers or slurm.options.shape.n_workers
        if not self._is_apart() and options.workers > 1:
            _log.info("this launcher runs jobs one after another: one worker. hpo_local runs more")
            return 1
        return options.workers

    def _is_apart(self) -> bool:
        """Tell whether the workers leave this terminal alone."""
        return "basic_launcher" not in str(self._config.hydra.launcher._target_)

    def _work(self) -> None:
        fruitless, marks = 0, _marks(self._unfinished())
        while unfinished := self._unfinished():
            self._tickets.release_abandoned()
            if too_many_failures(self._storage, self._study_id, self._spec):
                break
            waiting = sum(trial.state == TrialState.WAITING for trial in unfinished)
            errors = self._crew.work(self._workers, waiting)
            if errors is None:
                continue
            before, marks = marks, _marks(self._unfinished())
            fruitless = fruitless + 1 if before == marks else 0
            if fruitless == _FRUITLESS_LAUNCHES:
                raise SweepError(f"the workers end without finishing a trial: {errors}")
        self._crew.finish()

    def _make_worker(self, launch_id: str) -> Worker:
        return Worker(self._spec, launch_id, self._context, self._config, self._function)

    def _unfinished(self) -> list[FrozenTrial]:
        return self._tickets.in_state(TrialState.WAITING, TrialState.RUNNING)

    def _failures(self) -> str:
        trials = self._storage.get_all_trials(
            self._study_id, deepcopy=False, states=(TrialState.FAIL,)
        )
        reasons = {t.user_attrs.get(FAIL_REASON): t.number for t in trials}  # the last of each
        last = [f"trial {number}: {reason}" for reason, number in reasons.items()][-3:]
        return (
            f"{len(trials)} trials failed, more than max_failure_rate="
            f"{self._spec.max_failure_rate} of n_trials={self._spec.n_trials} allows: "
            f"{'; '.join(last)}. They stay in the study: once the cause is mended, allow more "
            "of them or take another study_name"
        )


def _slurm(context: HydraContext, config: DictConfig, function: TaskFunction) -> Slurm | None:
    """Return the SLURM site if the launcher is for one."""
    launcher = make_launcher(context, config, function)
    make_slurm: Callable[[], Slurm] | None = getattr(launcher, "slurm", None)
    return None if make_slurm is None else make_slurm()


def _check_parts(options: SweepOptions) -> None:
    """Build once what each worker will build, so that a mistake is found before any starts."""
    for key in ("sampler", "pruner", "screen"):
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
        patience_s=options.patience_s,
        earlier_studies=tuple(absolute(source) for source in options.earlier_studies or ()),
        screen=options.screen,
    )


def _marks(trials: list[FrozenTrial]) -> list[tuple[int, int, int]]:
    """What changes when workers get anywhere with these trials."""
    return [(t.number, len(t.intermediate_values), t.system_attrs.get(RETRIES, 0)) for t in trials]
