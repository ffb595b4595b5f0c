"""Everything private of Optuna that we use, beside what `commons.optuna_replay` extends.

`tests/commons/test_optuna_internals.py` says what of it is missing after an upgrade.
"""

from __future__ import annotations

import copy
import importlib
import sys
import threading
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import optuna
from optuna._imports import _LazyImport
from optuna.distributions import BaseDistribution
from optuna.samplers import GPSampler, GridSampler, TPESampler
from optuna.samplers._tpe.sampler import _split_trials, default_gamma
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal._storage import JournalOperation, JournalStorageReplayResult
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

__all__ = ["FIXED", "TPE", "JournalOperation", "Rehearsal", "ShownStudy"]
__all__ += [
    "all_trials",
    "append",
    "cached",
    "contains",
    "grid_ids",
    "grid_mark",
    "grid_points",
    "grid_space",
    "import_lazy",
]
__all__ += ["proxy_server", "renew", "search_less", "stoppable", "storage_of"]
__all__ += ["study_id", "trial_id"]

FIXED = "fixed_params"  # system attribute of an enqueued trial: value by key
_STUDY = {"op_code": JournalOperation.CREATE_STUDY, "study_name": "", "directions": [1]}
_TRIAL = {"op_code": JournalOperation.CREATE_TRIAL, "study_id": 0, "datetime_start": "2026-01-01"}


def trial_id(trial: FrozenTrial | optuna.Trial) -> int:
    """Return the id of a trial in its storage."""
    return trial._trial_id


def study_id(study: Any) -> int:
    """Return the id of an `optuna.Study` or a `FrozenStudy` in its storage."""
    return int(study._study_id)


def storage_of(study: optuna.Study) -> BaseStorage:
    """Return the storage of a study."""
    return study._storage


def cached(storage: BaseStorage) -> BaseStorage:
    """Return a storage as Optuna's studies use it: a database behind a cache."""
    return optuna.storages.get_storage(storage)


def import_lazy(part: object) -> None:
    """Import the packages that Optuna's samplers and pruners import when they first need them.

    Raises:
        ImportError: one of them is missing.
    """
    left, seen = [sys.modules.get(kind.__module__) for kind in type(part).__mro__], set[str]()
    while left:
        for module in [x for x in vars(left.pop()).values() if isinstance(x, _LazyImport)]:
            if module._name not in seen:
                seen.add(module._name)
                left.append(importlib.import_module(module._name))


def append(journal: JournalStorage, records: list[dict[str, Any]]) -> None:
    """Write records to a journal in one piece, and apply them, as Optuna does with each."""
    with journal._thread_lock:
        journal._backend.append_logs(records)
        journal._sync_with_backend()


def proxy_server(
    storage: BaseStorage,
    address: str,
    n_threads: int,
    handlers: Sequence[Any],
    options: Sequence[tuple[str, Any]],
) -> Any:
    """Return Optuna's gRPC proxy in front of a storage, not started, with further handlers.

    Raises:
        RuntimeError: the address is in use.
    """
    import grpc
    from optuna.storages._grpc.auto_generated import api_pb2_grpc
    from optuna.storages._grpc.servicer import OptunaStorageProxyService

    pool = ThreadPoolExecutor(n_threads)
    server = grpc.server(pool, handlers=handlers, options=options)
    service: Any = api_pb2_grpc
    service.add_StorageServiceServicer_to_server(OptunaStorageProxyService(storage), server)
    if not server.add_insecure_port(address):
        raise RuntimeError("it cannot listen there")
    return server


def all_trials(journal: JournalStorage, study_id: int) -> list[FrozenTrial]:
    """Return the trials of a study, not copied; `get_all_trials` takes up to six times as long.

    Raises:
        KeyError: there is no such study.
    """
    with journal._thread_lock:
        journal._sync_with_backend()
        known = journal._replay_result
        known.get_study(study_id)
        ids = known._study_id_to_trial_ids[study_id]
        if len(ids) == len(known._trials):  # the only study; they are in the order of their ids
            return [*known._trials.values()]
        return [*map(known._trials.__getitem__, ids)]


@contextmanager
def stoppable(study: optuna.Study) -> Iterator[Callable[[], bool]]:
    """Let a sampler stop a study, as within `Study.optimize`; what is yielded tells if it has."""
    study._stop_flag, study._thread_local.in_optimize_loop = False, True
    try:
        yield lambda: study._stop_flag
    finally:
        study._thread_local.in_optimize_loop = False


def renew(study: optuna.Study) -> None:
    """Let the samplers of a study that is used for many trials see the others as they are now.

    Optuna does so in `Study.ask` only.
    """
    study._thread_local.cached_all_trials = None


def grid_space(sampler: GridSampler) -> Mapping[str, Sequence[Any]]:
    """Return the values of each key of a grid."""
    return sampler._search_space


def grid_ids(sampler: GridSampler, trials: Sequence[FrozenTrial]) -> list[int]:
    """Return the points of this grid that trials have, by number."""
    attributes = [trial.system_attrs for trial in trials if "grid_id" in trial.system_attrs]
    return [a["grid_id"] for a in attributes if sampler._same_search_space(a["search_space"])]


def grid_points(sampler: GridSampler) -> list[dict[str, Any]]:
    """Return the points of a grid, in the order of their ids."""
    return [dict(zip(sampler._param_names, point, strict=True)) for point in sampler._all_grids]


def grid_mark(sampler: GridSampler, grid_id: int) -> dict[str, Any]:
    """Return the system attributes of a trial that is to have a point of this grid."""
    return {"grid_id": grid_id, "search_space": sampler._search_space}


def contains(distribution: BaseDistribution, value: Any) -> bool:
    """Tell whether a distribution has a value."""
    try:
        return distribution._contains(distribution.to_internal_repr(value))
    except ValueError:
        return False


class SeveralObjectives(optuna.Study):
    """A study of several objectives whose trials report one of them after each step.

    Optuna's samplers take reported values of pruned trials for those of a study with a single
    objective, so to them such a trial has none and ranks behind all complete ones.
    """

    reported = 0  # index of the objective that trials report

    def _get_trials(self, *arguments: Any, **options: Any) -> list[FrozenTrial]:
        trials = super()._get_trials(*arguments, **options)
        return [_unreported(t) if t.state == TrialState.PRUNED else t for t in trials]


def _unreported(trial: FrozenTrial) -> FrozenTrial:
    shown = copy.copy(trial)
    shown.intermediate_values = {}
    return shown


class OneObjective(optuna.Study):
    """A study of several objectives as a pruner sees it: with the reported one alone."""

    def __init__(self, study: SeveralObjectives) -> None:
        self.reported = study.reported
        super().__init__(study.study_name, study._storage, study.sampler, study.pruner)

    @property
    def directions(self) -> list[StudyDirection]:
        """That of the reported objective."""
        return [self._directions[self.reported]]

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        del deepcopy, use_cache
        trials = self._storage.get_all_trials(self._study_id, False, states)
        return [self._one(trial) for trial in trials]

    def _one(self, trial: FrozenTrial) -> FrozenTrial:
        if not trial.values or len(trial.values) == 1:
            return trial
        shown = copy.copy(trial)
        shown.values = [trial.values[self.reported]]
        return shown


class Rehearsal(threading.local):
    """A throw-away journal of the installed Optuna: study 0 with the running trial 0.

    Any record can be tried on it, for it belongs to no study. Each thread has one of its own.
    """

    def __init__(self) -> None:
        self._renew()

    def play(self, record: dict[str, Any]) -> None:
        """Replay a record; the journal is as before then. Raises whatever Optuna raises."""
        try:
            self._journal.apply_logs([record])
        finally:
            if record["op_code"] >= JournalOperation.SET_TRIAL_PARAM:
                self._journal._trials[0] = self._trial
            else:
                self._renew()

    def _renew(self) -> None:
        self._journal = JournalStorageReplayResult("rehearsal-")
        self._journal.apply_logs({**record, "worker_id": "-"} for record in (_STUDY, _TRIAL))
        self._trial = self._journal._trials[0]


class TPE(TPESampler):
    """Optuna's TPE for one objective at a time: its densities are made once for a trial.

    So it is as before, but a further proposal for the same trial costs little.
    """

    _made: tuple[Any, Any] = (None, None)

    def _sample(
        self, study: Any, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if len(study.directions) > 1:
            return super()._sample(study, trial, search_space)
        if self._made[0] != (key := (trial._trial_id, search_space)):
            self._made = key, self._densities(study, trial, search_space)
        below, above = self._made[1]
        samples = below.sample(self._rng.rng, self._n_ei_candidates)
        best = self._compare(samples, self._compute_acquisition_func(samples, below, above))
        return {name: each.to_external_repr(best[name]) for name, each in search_space.items()}

    def _densities(
        self, study: Any, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> tuple[Any, Any]:
        states = [TrialState.COMPLETE, TrialState.PRUNED]
        states += [TrialState.RUNNING] if self._constant_liar else []
        cached = not self._constant_liar
        trials = study._get_trials(deepcopy=False, states=states, use_cache=cached)
        trials = [each for each in trials if each.number != trial.number]
        n = sum(each.state != TrialState.RUNNING for each in trials)
        below, above = _split_trials(study, trials, (self._gamma or default_gamma)(n))
        return (
            self._build_parzen_estimator(study, search_space, below, handle_below=True),
            self._build_parzen_estimator(study, search_space, above, handle_below=False),
        )


def search_less(sampler: GPSampler) -> None:
    """Let a Gaussian process look for its proposal at a quarter of the points."""
    sampler._n_preliminary_samples, sampler._n_local_search = 512, 4


class ShownStudy:
    """A study as a sampler sees it that is shown some of its trials only."""

    def __init__(self, study: optuna.Study, trials: list[FrozenTrial]) -> None:
        self._study, self._trials = study, trials

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self, deepcopy: bool = True, states: Any = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        del deepcopy, use_cache
        return [trial for trial in self._trials if states is None or trial.state in states]
