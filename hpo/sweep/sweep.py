"""The sweep: prepare a study and a crew of workers, then run it to its end and report."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from optuna.storages import BaseStorage

from commons.processes import n_cores, uncollected
from hpo import signals
from hpo.hydra_internals import in_turn, make_launcher, runs_in_turn
from hpo.launch.devices import visible_devices
from hpo.launch.options import LocalOptions
from hpo.launch.payload import Payload
from hpo.launch.slurm.check import check_site
from hpo.launch.slurm.site import Slurm
from hpo.protocols import CheckedLauncher, Crew, MachineLauncher, Stopped
from hpo.report import write_report
from hpo.reporting.artist import Artist
from hpo.reporting.live import Progress
from hpo.search.seeded import complete
from hpo.search.space import parse_space
from hpo.settings import (
    SettingError,
    SubmissionError,
    SweepFailure,
    SweepSettings,
    told_by_typed_keys,
    typed_key,
)
from hpo.storage.identity import StorageLostError
from hpo.storage.opening import absolute
from hpo.storage.passwords import (
    hide_in_logs,
)
from hpo.study.spent import check_countable
from hpo.study.study import SweepSpec
from hpo.study.tickets import Tickets
from hpo.sweep.cost import expected, expected_of_existing, log_to_stderr, most_and_budgets
from hpo.sweep.crew import LaunchedCrew, SlurmCrew, plan
from hpo.sweep.ending import (
    check_result,
    say_budget_is_reached,
    say_energy_is_unknown,
    say_if_exhausted,
    say_time_is_over,
    too_many_failures,
)
from hpo.sweep.entry import enter
from hpo.sweep.explain import reason
from hpo.sweep.first import first_points, trials_to_add
from hpo.sweep.growing import GrowingCrew, grow
from hpo.sweep.join import OwnProcess
from hpo.sweep.preflight import check, check_transport
from hpo.sweep.restart import begin_anew
from hpo.sweep.secrets import put_aside
from hpo.sweep.traces import Traces, withdraw

_log = logging.getLogger(__name__)
_SECTION = "hydra.sweeper"
_FRUITLESS_LAUNCHES = 3
_NOTE_S = 5.0
_OUT_OF_TIME = 124  # as timeout(1)


@dataclass(frozen=True)
class Sweep:
    """One command's part in a study, ready to run."""

    spec: SweepSpec
    app: Payload
    storage: BaseStorage
    study_id: int
    tickets: Tickets
    crew: Crew
    n_workers: int  # how many there should be
    is_apart: bool  # the workers do not write to this terminal
    traces: Traces
    is_new: bool  # this command has created the study
    n_wanted: int  # trials; a finite space may have fewer points


def sweep(settings: SweepSettings, app: Payload, arguments: Sequence[str]) -> None:
    """Run until `n_trials` trials are finished or a budget is reached; a dry run only checks.

    Raises:
        SweepError: a trial could not begin, or the settings contradict the existing study.
        SweepFailure: no trial is complete, too many failed, or the workers end without doing
            anything.
        SystemExit: interrupted (code 130); the same command continues.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    hide_in_logs()
    with uncollected(), told_by_typed_keys(app.config, _SECTION):
        settings, app, arguments = put_aside(settings, app, arguments)
        prepared = prepare(settings, app, arguments)
    if prepared is not None:
        run(prepared)


def prepare(settings: SweepSettings, app: Payload, arguments: Sequence[str]) -> Sweep | None:
    """Check all settings, then create or resume the study; None after a dry run."""
    launcher = in_turn(app.context, app.config, app.function) if settings.join else _launcher(app)
    site = launcher.check() if isinstance(launcher, CheckedLauncher) else None
    slurm = site if isinstance(site, Slurm) else None
    if slurm is not None and slurm.options.dry_run:
        log_to_stderr()  # the output is the script alone, which may go to a file
    spec = _make_spec(settings, app, arguments)
    here = isinstance(site, LocalOptions) or runs_in_turn(launcher)
    template = check(spec, app, here)
    spec.points = first_points(spec, app, here, template)
    if not runs_in_turn(launcher):
        check_transport(app)
    grow(spec, app, slurm)
    _check_budget(spec, site)
    n_workers = 1 if spec.join else _n_workers(spec, launcher, slurm)
    if slurm is not None and not _may_begin(slurm, spec, app, n_workers):
        return None
    spec.to_add = trials_to_add(spec, app)
    if spec.begins_anew:
        begin_anew(spec, slurm)
    traces = Traces(spec.sweep_dir)
    try:
        storage, study_id, is_new = enter(spec, app, template)
    except BaseException:
        traces.take_back()
        raise
    own = spec, app, template
    crew: Crew = OwnProcess(*own) if spec.join else LaunchedCrew(*own)
    if slurm is not None:
        kind = SlurmCrew if spec.growth is None else GrowingCrew
        crew = kind(spec, app, storage, study_id, slurm, template)
    tickets, is_apart = spec.tickets(storage, None), not runs_in_turn(launcher)
    more = traces, is_new, settings.n_trials
    return Sweep(spec, app, storage, study_id, tickets, crew, n_workers, is_apart, *more)


def _check_budget(spec: SweepSpec, site: Any) -> None:
    """Refuse a budget that could never be reached, as far as this machine knows."""
    if isinstance(site, Slurm):
        counted = replace(spec.budget, energy_kwh=None)  # of other machines
        check_countable(counted, ["0"] * site.options.gpus_of_node)
    elif spec.budget.is_set:
        uses_gpus = not isinstance(site, LocalOptions) or site.gpus_per_trial > 0
        check_countable(spec.budget, visible_devices(os.environ).names if uses_gpus else ())


def _may_begin(slurm: Slurm, spec: SweepSpec, app: Payload, n_workers: int) -> bool:
    """Ask the site; False after a dry run. A check of the site ends the command."""
    most = most_and_budgets(spec, app, slurm, n_workers)
    if slurm.options.dry_run:
        slurm.show_script(n_workers, plan(spec, n_workers)[2])
        sys.stderr.write(f"{most}\n{expected_of_existing(spec)}\n")  # not a part of the script
        return False
    if slurm.options.check:
        raise SystemExit(check_site(slurm, n_workers, spec.sweep_dir, app.config))
    with told_by_typed_keys(app.config, "hydra.launcher"):
        _log.info(most)
        slurm.confirm_size(min(n_workers, spec.n_trials))
        slurm.validate()
    return True


def run(sweep: Sweep) -> None:
    """Run workers until all trials are finished, then report; raises as `sweep` does."""
    spec = sweep.spec
    if not sweep.tickets.n_left():
        _end_at_once(sweep)
        return
    if sweep.is_new or not spec.join:
        OmegaConf.save(sweep.app.config, spec.sweep_dir / "multirun.yaml")
    if not spec.join and not isinstance(sweep.crew, SlurmCrew):
        _log.info(most_and_budgets(spec, sweep.app, None, sweep.n_workers))
    if not spec.join and not sweep.is_new:
        _log.info(expected(spec, sweep.storage, sweep.study_id))
    with closing(Artist()) as artist:
        _run_crew(sweep, artist)
        n_left = sweep.tickets.n_left()
        if spec.join and n_left:
            text = "no trial is left for this worker of study '%s'; %d are not finished"
            _log.info(text, spec.study_name, n_left)
            return
        report = write_report(sweep.storage, spec.study_name, spec.sweep_dir, artist)
    if sweep.tickets.too_many_failures:
        with told_by_typed_keys(sweep.app.config, _SECTION, SweepFailure):
            raise too_many_failures(spec, sweep.tickets)
    if (default := report.subject.summary.default) is not None:
        _log.info("%s", default)
    reached = sweep.tickets.spent.reached()
    if n_left and reached is not None:
        say_budget_is_reached(spec, sweep.app, reached, n_left)
    elif n_left:
        say_time_is_over(spec, sweep.app, n_left)
        raise SystemExit(_OUT_OF_TIME)
    say_if_exhausted(spec, sweep.n_wanted)
    check_result(spec, sweep.tickets)
    _log.info("%s", "\n".join(report.closing_lines()))


def _end_at_once(sweep: Sweep) -> None:
    """Say that the study is finished; report again if another trial may be the best now."""
    spec, done = sweep.spec, "nothing to do"
    key = typed_key(sweep.app.config, _SECTION, "n_trials")
    more = "" if say_if_exhausted(spec, sweep.n_wanted) else f" To add some, raise {key}."
    if spec.has_new_rule:
        report = write_report(sweep.storage, spec.study_name, spec.sweep_dir)
        best = report.subject.summary.best
        done = f"best by {best.rule}: {best.told} (trial {best.number})" if best else done
    text = "study '%s' is finished (%d trials); %s.%s Results: %s"
    _log.info(text, spec.study_name, spec.n_trials, done, more, spec.sweep_dir)
    check_result(spec, sweep.tickets)


def _run_crew(sweep: Sweep, artist: Artist) -> None:
    """Run workers until all trials are finished; the artist gets ready meanwhile."""
    try:
        _work_shown(sweep, artist)
    except KeyboardInterrupt:
        sweep.tickets.time.note()
        sweep.tickets.release_abandoned()
        _log.warning("interrupted; the same command continues where it stopped")
        raise SystemExit(130) from None
    except Stopped as stopped:
        sweep.tickets.release_abandoned()
        _log.warning("%s", stopped)
        raise SystemExit(130) from None
    except SubmissionError:
        if sweep.is_new and withdraw(sweep.spec, sweep.storage, sweep.study_id):
            sweep.traces.take_back()
        raise


def _launcher(app: Payload) -> Launcher:
    try:
        return make_launcher(app.context, app.config, app.function)
    except (HydraException, OmegaConfBaseException, ImportError, RuntimeError) as error:
        raise SettingError("hydra.launcher: {}", reason(error)) from error


def _make_spec(settings: SweepSettings, app: Payload, arguments: Sequence[str]) -> SweepSpec:
    space = parse_space(settings.params or {}, arguments, app.context.config_loader)
    if not space.distributions and settings.custom_search_space is None:
        raise SettingError("nothing to search: neither {params} nor the command line has a sweep")
    more = settings.custom_search_space is not None
    sampler = complete(settings.sampler, space.distributions, settings.study_name, more=more)
    chosen = vars(settings) | {
        "sampler": sampler,
        "storage": absolute(settings.storage),
        "add": [absolute(source) for source in settings.add],
    }
    return SweepSpec(**chosen, sweep_dir=_sweep_dir(app.config), space=space)


def _sweep_dir(config: DictConfig) -> Path:
    try:
        return Path(config.hydra.sweep.dir).absolute()
    except OmegaConfBaseException as error:
        raise SettingError("hydra.sweep.dir: {}", reason(error)) from error


def _n_workers(spec: SweepSpec, launcher: Launcher, slurm: Slurm | None) -> int:
    if slurm is not None:
        return spec.n_workers or slurm.options.shape.n_workers
    if isinstance(launcher, MachineLauncher):
        return launcher.n_workers(spec.n_workers)
    wanted = spec.n_workers or n_cores()
    if runs_in_turn(launcher) and wanted > 1:
        _log.info("this launcher runs jobs one after another: one worker. hpo_local runs more")
        return 1
    return wanted


def _work_shown(sweep: Sweep, artist: Artist) -> None:
    limits = {**vars(sweep.tickets.spent.budget), "timeout_s": sweep.spec.timeout}
    text = ", ".join(f"{k}={limit:g}" for k, limit in limits.items() if limit is not None)
    looks = sweep.storage, sweep.study_id, sweep.is_apart, sweep.crew.status
    shown = Progress(*looks, artist.prepare, text)
    with signals.interrupt(), shown:
        try:
            _work(sweep)
        except KeyboardInterrupt:
            sweep.crew.leave()
            raise
        except StorageLostError:
            sweep.crew.finish()  # the workers end for the same reason
            raise


def _work(sweep: Sweep) -> None:
    tickets, fruitless = sweep.tickets, 0
    marks = tickets.marks()
    while tickets.n_left():
        tickets.release_abandoned()
        tickets.time.note(_NOTE_S)
        if tickets.time.is_over or tickets.too_many_failures:
            break
        if tickets.spent.is_blind and sweep.spec.budget.energy_kwh is not None:
            say_energy_is_unknown()
        if tickets.spent.reached() is not None:
            if sweep.crew.drain():
                continue
            break
        errors = sweep.crew.work(sweep.n_workers, tickets.n_waiting)
        if errors is None:
            continue
        if sweep.spec.join and not errors:
            break
        before, marks = marks, tickets.marks()
        fruitless = fruitless + 1 if before == marks else 0
        if fruitless == _FRUITLESS_LAUNCHES:
            raise SweepFailure(f"the workers end without finishing a trial: {errors}")
    sweep.crew.finish()
