"""What a command says of the cost of its sweep before it begins: at most, and expected."""

from __future__ import annotations

import logging
import sys

from optuna.storages import BaseStorage

from commons.optuna_internals import storage_of, study_id
from hpo.attributes import own_trials
from hpo.launch.payload import Payload
from hpo.launch.slurm.cost import at_most
from hpo.launch.slurm.site import Slurm
from hpo.reporting.ledger import read_ledger
from hpo.settings import typed_key
from hpo.storage.opening import storage_file
from hpo.study.study import SweepSpec, existing_study

_SECTION = "hydra.sweeper"


def log_to_stderr() -> None:
    """Log to stderr what is logged to stdout, where a job script alone is printed."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setStream(sys.stderr)


def most_and_budgets(spec: SweepSpec, app: Payload, slurm: Slurm | None, n_workers: int) -> str:
    """Return what will run and cost at most, as text."""
    limits = _limits(spec, app)
    ends = f"; ends at {' or '.join(limits)}, if that is earlier" if limits else ""
    n_workers = min(n_workers, spec.n_trials)
    if slurm is not None:
        return f"cost: {at_most(slurm.options, n_workers)}{ends}"
    return f"cost: {n_workers} workers, until {spec.n_trials} trials are finished{ends}"


def _limits(spec: SweepSpec, app: Payload) -> list[str]:
    budget = typed_key(app.config, _SECTION, "budget")
    chosen = {f"{budget}.{name}": value for name, value in vars(spec.budget).items()}
    chosen[typed_key(app.config, _SECTION, "timeout")] = spec.timeout
    return [f"{key}={value:g}" for key, value in chosen.items() if value is not None]


def expected(spec: SweepSpec, storage: BaseStorage, study: int) -> str:
    """Return what the trials that are left may cost by those that are finished, as text."""
    total = read_ledger(storage, study).total.cost
    trials = storage.get_all_trials(study, deepcopy=False)
    n_finished = sum(trial.state.is_finished() for trial in own_trials(trials))
    if not n_finished or not total.core_h:
        return "expected cost: not known, no trial is finished yet"
    n_left = max(0, spec.n_trials - n_finished)
    cost = total.times(n_left / n_finished)
    return (
        f"expected cost: {cost}, for {n_left} trials at the mean cost of the {n_finished} "
        "finished ones"
    )


def expected_of_existing(spec: SweepSpec) -> str:
    """Do as `expected` for a study in a file, without creating anything."""
    if storage_file(spec.storage, spec.sweep_dir) is None:
        return "expected cost: told when the sweep begins"  # here the storage may be out of reach
    study = existing_study(spec)
    if study is None:
        return "expected cost: not known, the study is new"
    return expected(spec, storage_of(study), study_id(study))
