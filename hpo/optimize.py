"""Fault-tolerant `study.optimize` for plain Optuna, without Hydra or SLURM.

    hpo.optimize(objective, study_name="s", storage="study.log", n_trials=100)

Run it in any number of processes, on all machines that see the files: together they finish
exactly `n_trials`. If one of them is killed, another one takes its trial over with its number,
parameters and history; the objective may resume from a checkpoint of its own in `trial.folder()`,
which no other trial and no other study is given.

Every 30 s and at the end a line tells how far the study is. It is logged like Optuna's own lines:
`optuna.logging.set_verbosity(optuna.logging.WARNING)` turns it off.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, BruteForceSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from commons.clocks import clock_trouble
from commons.optuna_internals import study_id, trial_id
from commons.processes import end_at_once
from hpo import signals
from hpo.attributes import LEASE_S, N_TRIALS, STUDY_ID, stored
from hpo.budgets import budget_of
from hpo.goals import Goals, directions_of, goals_of
from hpo.reporting.causes import why_none_is_complete
from hpo.reporting.live import Lines
from hpo.search.finite import EXHAUSTED, is_exhausted, most_trials, n_placed
from hpo.search.objectives import load, set_goals
from hpo.search.points import Point, given_points
from hpo.settings import SettingError, SweepSettings, settings_of
from hpo.storage.folders import StudyFolder, identify
from hpo.storage.opening import open_storage
from hpo.study.enqueue import enqueue as enqueue_points
from hpo.study.limits import Limits
from hpo.study.meter import gpu_names
from hpo.study.portions import issue_tickets, study_lock
from hpo.study.provenance import code_of
from hpo.study.record import WorkerRecord
from hpo.study.spent import check_countable
from hpo.study.tickets import Tickets
from hpo.study.trial import LeasedTrial

_log = logging.getLogger(__name__)
_INTERRUPTED = (
    "study {!r} is interrupted. Finished trials and reported values are kept; a trial in progress "
    "waits to be continued. The same call resumes the study"
)


def optimize(
    objective: Callable[[LeasedTrial], float | Sequence[float]],
    *,
    study_name: str,
    storage: Any,
    n_trials: int,
    direction: str | Sequence[str] = SweepSettings.direction,
    goals: Mapping[str, Any] | None = None,
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
    enqueue: Sequence[Mapping[str, Any]] = (),
    folder: Path | str = ".",
    lease_s: float = SweepSettings.lease_s,
    max_retries: int = SweepSettings.max_retries,
    trial_timeout: float | None = SweepSettings.trial_timeout,
    epoch_timeout: float | Literal["auto"] | None = SweepSettings.epoch_timeout,
    timeout: float | None = SweepSettings.timeout,
    budget: Mapping[str, float] | None = None,
    patience_s: float = SweepSettings.patience_s,
) -> optuna.Study:
    """Work on a shared study until no trial is left to begin or to take over; return it.

    An exception in the objective fails its trial, NaN or infinity prunes it, and the work goes
    on. An interruption gives the trial back. `hpo.study.life` has all rules.
    If no trial is complete at the end, a warning says why, by cause and number.

    Args:
        objective: as for `Study.optimize`; what it reports is fenced, a `PausingPruner` works, and
            `trial.folder()` is a folder that belongs to this trial alone.
        study_name: created on first use.
        storage: path of a journal file, or what else `hpo.open_storage` takes.
        n_trials: trials of the study when it is finished; fewer if a `GridSampler` or
            `BruteForceSampler` knows no other point, which is said.
        direction: "minimize" or "maximize"; of several objectives, which `objective` returns as a
            list, one each, or one for all that `goals` name.
        goals: names, pruning, constraints and what is best, see `hpo.goals.Goals`.
        sampler: Optuna's default if None. Give each process another seed, but the same one where
            all processes go through one sequence (`GridSampler`, `QMCSampler`).
        pruner: None: no pruning.
        enqueue: values by name for the first trials; names that are missing are sampled. A call
            that is repeated enqueues nothing twice.
        folder: seen by all processes; briefly holds a lock file, and the folders of trials in
            `STUDY_NAME/trials` if the objective asks for them.
        lease_s: seconds without a heartbeat after which a process is considered dead.
        max_retries: how often a trial may be retried after its process died.
        trial_timeout: seconds after which a trial fails; None: no limit.
        epoch_timeout: seconds without a report after which a trial fails; "auto": ten times the
            slowest interval between two reports of the study, at least 60, when ten are known.
        timeout: seconds of work on the study, over all calls, after which no trial begins or goes
            on; a call with a larger one continues.
        budget: what else ends the work, over all calls, see `hpo.budgets.Budget`, for example
            `{"core_hours": 50, "patience_trials": 30}`; running trials are given back when they
            next ask `should_prune`, and a call with a larger one continues.
        patience_s: how long to wait for an unreachable storage (s).

    Raises:
        ValueError: the storage cannot be opened, or an argument is out of range or no such thing;
            nothing is created.
        KeyboardInterrupt: after Ctrl-C, or a signal that ends a job; says how to resume.
    """
    end_at_once()
    _check_objects(objective, sampler, pruner)
    numbers = {"n_trials": n_trials, "lease_s": lease_s, "max_retries": max_retries}
    limits_s = {"trial_timeout": trial_timeout, "epoch_timeout": epoch_timeout, "timeout": timeout}
    names = {"study_name": study_name, "direction": direction, "patience_s": patience_s}
    costs = budget_of(budget)
    check_countable(costs, gpu_names(os.environ))
    settings = settings_of(SweepSettings, {**names, **numbers, **limits_s})
    directions = directions_of(settings.direction, goals)
    aims = goals_of(goals, directions)
    study_name, first = settings.study_name, given_points(enqueue)
    shared = open_storage(storage, Path(folder), patience_s)
    if pruner is None or aims.prune_by is None:
        pruner = optuna.pruners.NopPruner()
    has_nothing_to_add = partial(_is_begun, shared, settings, directions, aims, first)
    lock = study_lock(Path(folder))

    def begin() -> None:
        optuna.create_study(
            storage=shared,
            study_name=study_name,
            directions=[StudyDirection[each.upper()] for each in directions],
            load_if_exists=True,
        )
        study = load(study_name, shared, sampler, pruner, aims.reported)
        set_goals(study, aims.names, aims.best, aims.reported)
        identified(study).check()
        study.set_user_attr(LEASE_S, lease_s)
        enqueue_points(study, first, n_trials, study.sampler)
        possible, one_by_one = _possible(study, n_trials)
        if one_by_one is None:  # else the space may have less points
            study.set_user_attr(N_TRIALS, max(possible, stored(study.user_attrs, N_TRIALS, 0)))
        issue_tickets(study, possible, lock=lock, is_full=one_by_one)

    def identified(study: optuna.Study) -> StudyFolder:
        return StudyFolder(Path(folder, study_name).absolute(), study_name, identify(study))

    if not has_nothing_to_add():
        with lock.unless(has_nothing_to_add) as held:
            if held:
                begin()
    study = load(study_name, shared, sampler, pruner, aims.reported)
    home = identified(study)
    home.check()
    possible, one_by_one = _possible(study, n_trials)
    tickets = Tickets(
        shared,
        study_name,
        folder=Path(folder),
        n_trials=possible,
        pruner=pruner,
        lease_s=lease_s,
        max_retries=max_retries,
        timeout=timeout,
        is_full=one_by_one,
        budget=costs,
        reported=aims.reported,
    )
    name = f"{socket.gethostname()}/{os.getpid()}-{secrets.token_hex(3)}"
    record = WorkerRecord(shared, study_id(study), name, start_up_s=0.0)  # it may be a notebook
    tickets.enter(record)
    if trouble := clock_trouble(Path(folder)):
        _log.warning(trouble)
    code = _code_of(objective)

    def begun(trial: LeasedTrial) -> float | Sequence[float]:
        trial.home, trial.bounds = home, aims.constraints
        trial.note(code)
        return objective(trial)

    spent = tickets.spent if costs.is_set else None
    limits = Limits(trial_timeout, epoch_timeout, tickets.time, spent=spent)
    lines = Lines(shared, study_id(study))
    try:
        with signals.interrupt(once=True), limits, record, lines:
            while _work_on_next(tickets, study, begun, limits, record):
                pass
    except KeyboardInterrupt:  # the traceback of what was interrupted would hide what to do
        raise KeyboardInterrupt(_INTERRUPTED.format(study_name)) from None
    _say_if_over(tickets)
    _say_if_exhausted(study, n_trials)
    why = why_none_is_complete(tickets.trials())
    if why is not None:
        _log.warning("study '%s': %s", study_name, why)
    return study


def _possible(study: optuna.Study, n_trials: int) -> tuple[int, Callable[[], bool] | None]:
    """Return how many trials there can be, and what tells that a space without size is full."""
    possible = int(min(n_trials, most_trials(study, study.sampler)))
    visits_all = isinstance(study.sampler, BruteForceSampler)
    return possible, partial(is_exhausted, study, study.sampler) if visits_all else None


def _is_begun(
    storage: BaseStorage,
    settings: SweepSettings,
    directions: Sequence[str],
    aims: Goals,
    first: Sequence[Point],
) -> bool:
    """Tell whether another process has begun the study and this one would change nothing in it.

    Hundreds of processes that begin at once then do not wait for each other.
    """
    if first or aims.names is not None or len(directions) > 1:
        return False
    try:
        study_id = storage.get_study_id_from_name(settings.study_name)
    except KeyError:
        return False
    known = storage.get_study_user_attrs(study_id)
    return (
        storage.get_study_directions(study_id) == [StudyDirection[directions[0].upper()]]
        and stored(known, STUDY_ID) is not None
        and stored(known, LEASE_S) == settings.lease_s
        and stored(known, N_TRIALS, 0) >= settings.n_trials
    )


def _check_objects(objective: Any, sampler: Any, pruner: Any) -> None:
    if not callable(objective):
        raise SettingError("objective must be a function of a trial, got {!r}", objective)
    for name, part, kind in (("sampler", sampler, BaseSampler), ("pruner", pruner, BasePruner)):
        if part is not None and not isinstance(part, kind):
            rule = f"{{{name}}} must be None or an object of a subclass of {{}}, got {{!r}}"
            raise SettingError(rule, kind.__name__, part)


def _code_of(objective: Callable[..., Any]) -> dict[str, str]:
    """Do as `code_of`, also for a function without a module, as `exec` may make one."""
    has_module = getattr(objective, "__module__", None) is not None
    return code_of(objective if has_module else partial(objective))  # a partial has a module


def _say_if_over(tickets: Tickets) -> None:
    if tickets.time.is_over:
        text = "the time of study '%s' is over (timeout=%g); a larger one continues it"
        _log.warning(text, tickets.study_name, tickets.timeout)
    elif (reached := tickets.spent.known) is not None and tickets.n_left():
        text = "study '%s' has reached %s; %s one continues it"
        larger = "another" if reached.name == "target" else "a larger"
        _log.warning(text, tickets.study_name, reached.text("budget"), larger)


def _say_if_exhausted(study: optuna.Study, n_trials: int) -> None:
    n_begun = n_placed(study.get_trials(deepcopy=False))
    if n_begun < n_trials and is_exhausted(study, study.sampler):
        _log.warning(EXHAUSTED, n_begun, n_trials)


def _work_on_next(
    tickets: Tickets,
    study: optuna.Study,
    objective: Callable[[LeasedTrial], float | Sequence[float]],
    limits: Limits,
    record: WorkerRecord,
) -> bool:
    with tickets.claimed() as claim:
        if claim is None:
            return False
        ticket, lease = claim
        trial = LeasedTrial(study, trial_id(ticket), lease, limits=limits)
        try:
            trial.live(partial(trial.timed, objective, trial))
        finally:
            record.add(trial)
        record.end_of_trial()
        return True
