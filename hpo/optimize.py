"""Fault-tolerant `study.optimize` for plain Optuna, without Hydra or SLURM.

    hpo.optimize(objective, study_name="s", storage="study.log", n_trials=100)

Run it in as many processes as you like, on all machines that see the files: together they finish
exactly `n_trials`. Kill any of them: its trial is taken over with its number, parameters and
history, and the objective may go on from a checkpoint of its own (`trial.number` names it).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from commons.optuna_internals import trial_id
from hpo import signals
from hpo.attributes import FAIL_REASON
from hpo.storage.opening import open_storage
from hpo.study.lease import Lease, LeaseLostError
from hpo.study.tickets import Tickets, issue_tickets, study_lock
from hpo.study.trial import LeasedTrial

_log = logging.getLogger(__name__)


def optimize(
    objective: Callable[[optuna.Trial], float],
    *,
    study_name: str,
    storage: Any,
    n_trials: int,
    direction: str = "minimize",
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
    folder: Path | str = ".",
    lease_s: float = 60.0,
    max_retries: int = 3,
    patience_s: float = 300.0,
) -> optuna.Study:
    """Work on a shared study until it has no more trial to begin or to take over; return it.

    An exception in the objective fails its trial and the work goes on. An interruption
    (KeyboardInterrupt) gives the trial back.

    Args:
        objective: as for `Study.optimize`; what it reports is fenced, and a `PausingPruner` works.
        study_name: created on first use.
        storage: path of a journal file, or whatever else `hpo.storage.opening.open_storage` takes.
        n_trials: trials of the study when it is finished.
        direction: "minimize" or "maximize".
        sampler: Optuna's default if None. Give each process another seed.
        pruner: None: no pruning.
        folder: seen by all processes; holds a lock for moments.
        lease_s: a process not heard of for so long is dead.
        max_retries: a trial whose process died more often is failed.
        patience_s: the storage may be out of reach for so long.

    Raises:
        ValueError: the storage cannot be opened.
    """
    shared = open_storage(storage, Path(folder), patience_s)
    pruner = pruner or optuna.pruners.NopPruner()
    with study_lock(Path(folder)) as lock:
        study = optuna.create_study(
            storage=shared,
            study_name=study_name,
            direction=StudyDirection[direction.upper()],
            sampler=sampler,
            pruner=pruner,
            load_if_exists=True,
        )
        issue_tickets(study, n_trials, lock)
    tickets = Tickets(shared, study_name, Path(folder), n_trials, pruner, lease_s, max_retries)
    with signals.interrupt(once=True):
        while (ticket := tickets.take()) is not None:
            with Lease(shared, trial_id(ticket), lease_s) as lease:
                _work_on(study, ticket, objective, lease)
    return study


def _work_on(
    study: optuna.Study,
    ticket: FrozenTrial,
    objective: Callable[[optuna.Trial], float],
    lease: Lease,
) -> None:
    trial = LeasedTrial(study, trial_id(ticket), lease)
    value: float | None = None
    try:
        value, state = float(objective(trial)), TrialState.COMPLETE
    except optuna.TrialPruned:
        state = TrialState.PRUNED
    except LeaseLostError:
        return
    except Exception as error:  # noqa: BLE001 - whatever the objective raises
        _log.exception("trial %d failed", trial.number)
        trial.set_user_attr(FAIL_REASON, f"{type(error).__name__}: {error}")
        state = TrialState.FAIL
    if trial.paused_at is not None:
        lease.give_back(trial.paused_at)
        return
    lease.tell(study, trial, value, state)
