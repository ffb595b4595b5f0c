"""The shared study: its storage, its trials as tickets, and what a sweep is made of.

Trials are TICKETS: the sweeper creates `n_trials` WAITING trials up-front and a worker claims one
by setting it to RUNNING, which every Optuna storage grants to one claimant only. So the total is
exact however many workers there are, and an interrupted trial keeps its number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from hydra.utils import instantiate
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hpo.redact import hide, passwords
from hpo.space import Space
from hpo.summary import BUDGET

SPACE = "hpo:space"
FIXED = "hpo:fixed"
# Settings of the search itself; all others make the problem that is searched.
_OWN_SETTINGS = {"hydra", "hpo", "launcher"}


@dataclass(frozen=True)
class SweepSpec:
    """All that a worker must know about its sweep; travels to it pickled.

    Attributes:
        study_name: name in the storage.
        storage: URL, path of a journal file, `_target_` node, or None (journal in `sweep_dir`).
        sweep_dir: absolute.
        sampler: `_target_` node or None (Optuna's default).
        pruner: `_target_` node or None (no pruning).
        direction: "minimize" or "maximize".
        n_trials: trials of the study when it is finished, those of earlier commands included.
        space: what is searched and what is fixed.
        custom_search_space: dotted path of a function `f(cfg, trial)` that suggests more.
        max_failure_rate: the sweep ends when more than this share of `n_trials` has failed.
        max_retries: a trial whose worker died more often is failed.
        lease_s: a worker not heard of for so long is dead.
    """

    study_name: str
    storage: Any
    sweep_dir: Path
    sampler: dict[str, Any] | None
    pruner: dict[str, Any] | None
    direction: str
    n_trials: int
    space: Space = field(default_factory=lambda: Space({}))
    custom_search_space: str | None = None
    max_failure_rate: float = 0.0
    max_retries: int = 3
    lease_s: float = 60.0


def open_storage(spec: Any, sweep_dir: Path) -> BaseStorage:
    """Return the storage: None and paths mean a journal file, a text with `://` is a database URL.

    Raises:
        ValueError: it cannot be opened, or lives in one process only.
    """
    try:
        storage = _open(spec, sweep_dir)
    except Exception as error:  # whatever a database driver or a class of the user's raises
        line = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ValueError(f"storage: {hide(line, passwords(spec))}") from error
    if isinstance(storage, InMemoryStorage):
        raise ValueError(
            "storage: InMemoryStorage can't be shared by workers; use a file or a URL"
        )
    return optuna.storages.get_storage(storage)


def _open(spec: Any, sweep_dir: Path) -> BaseStorage:
    if isinstance(spec, Mapping):
        storage: BaseStorage = instantiate(dict(spec))
        return storage
    if spec is not None and "://" in str(spec):
        # sqlite gives up after 5 s by default, too soon when workers queue for it.
        wait = {"connect_args": {"timeout": 100}} if str(spec).startswith("sqlite") else None
        return RDBStorage(str(spec), engine_kwargs=wait)
    path = (Path(spec) if spec is not None else sweep_dir / "journal.log").absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path))))


def absolute(spec: Any) -> Any:
    """Return a storage that means the same in whatever folder a job runs."""
    if spec is None or isinstance(spec, Mapping):
        return spec
    scheme, slashes, path = str(spec).partition(":///")
    if scheme == "sqlite" and path:
        return f"{scheme}{slashes}{Path(path).absolute()}"
    return spec if "://" in str(spec) else str(Path(spec).absolute())


@contextmanager
def study_lock(sweep_dir: Path) -> Iterator[None]:
    """Let one process at a time create tickets or release abandoned trials."""
    sweep_dir.mkdir(parents=True, exist_ok=True)
    lock = JournalFileOpenLock(str(sweep_dir / "tickets"))
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def open_study(spec: SweepSpec, storage: BaseStorage) -> optuna.Study:
    """Create the study or load it, and issue the tickets still missing. Call it under the lock.

    Raises:
        ValueError: the study exists with another direction, search space or fixed setting.
    """
    study = optuna.create_study(
        storage=storage,
        study_name=spec.study_name,
        direction=StudyDirection[spec.direction.upper()],
        load_if_exists=True,
    )
    if study.direction.name.lower() != spec.direction:
        raise ValueError(
            f"direction: study '{spec.study_name}' exists with direction "
            f"{study.direction.name.lower()}, got {spec.direction}"
        )
    trials = study.get_trials(deepcopy=False)
    wanted = {name: _as_json(d) for name, d in spec.space.distributions.items()}
    if spec.custom_search_space is None:
        _check_same_space(spec.study_name, _known_space(study, trials), wanted)
    fixed = _problem(spec.space.fixed)
    _check_same_settings(spec.study_name, study.user_attrs.get(FIXED, fixed), fixed)
    study.set_user_attr(SPACE, wanted)
    study.set_user_attr(FIXED, fixed)
    study.set_user_attr(BUDGET, max(spec.n_trials, study.user_attrs.get(BUDGET, 0)))
    for _ in range(len(trials), spec.n_trials):
        study.enqueue_trial({})
    return study


def claim(storage: BaseStorage, study_id: int, n_trials: int) -> FrozenTrial | None:
    """Take the first WAITING ticket of the budget; None if there is none.

    The claim is the storage's own compare-and-set: of several claimants one gets True.
    """
    waiting = storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.WAITING,))
    for trial in waiting:
        if trial.number >= n_trials:
            continue
        try:
            if storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING):
                return trial
        except UpdateFinishedTrialError:
            continue
    return None


def make_sampler(
    config: Mapping[str, Any] | None, trial_number: int
) -> tuple[BaseSampler, int | None]:
    """Return a sampler for one trial and its seed.

    A configured seed is combined with the trial's number, so that workers do not draw the same
    points and random search visits the same ones however many workers there are.
    """
    if config is None:
        return optuna.samplers.TPESampler(), None
    arguments = dict(config)
    if arguments.get("seed") is None:
        return instantiate(arguments), None
    import numpy as np

    state = np.random.SeedSequence([int(arguments["seed"]), trial_number]).generate_state(1)
    arguments["seed"] = int(state[0])
    return instantiate(arguments), arguments["seed"]


def too_many_failures(storage: BaseStorage, study_id: int, spec: SweepSpec) -> bool:
    """Tell whether more than `max_failure_rate` of the whole budget has failed."""
    failed = storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.FAIL,))
    limit = spec.max_failure_rate * spec.n_trials
    return sum(trial.number < spec.n_trials for trial in failed) > limit


def _problem(fixed: tuple[str, ...]) -> dict[str, str]:
    """The fixed overrides that make the problem, value by key."""
    pairs = (override.partition("=") for override in fixed)
    return {
        key: value
        for key, _, value in pairs
        if re.split(r"[./@]", key.lstrip("+~"))[0] not in _OWN_SETTINGS
    }


def _check_same_settings(study_name: str, known: dict[str, str], wanted: dict[str, str]) -> None:
    for key in sorted(known.keys() | wanted.keys()):
        if known.get(key) != wanted.get(key):
            before, now = (values.get(key, "the default") for values in (known, wanted))
            raise ValueError(
                f"{key}: study '{study_name}' was made with {before}, this command has {now}; "
                "take the same settings or another study_name"
            )


def _known_space(study: optuna.Study, trials: list[FrozenTrial]) -> dict[str, Any]:
    stored = study.user_attrs.get(SPACE)
    if stored is not None:
        return dict(stored)
    return {name: _as_json(d) for trial in trials for name, d in trial.distributions.items()}


def _as_json(distribution: BaseDistribution) -> Any:
    return json.loads(distribution_to_json(distribution))


def _check_same_space(study_name: str, known: dict[str, Any], wanted: dict[str, Any]) -> None:
    if not known:
        return
    for name in sorted(known.keys() | wanted.keys()):
        if known.get(name) != wanted.get(name):
            before, now = (_describe(space.get(name)) for space in (known, wanted))
            raise ValueError(
                f"{name}: study '{study_name}' searched {before}, this command searches {now}; "
                "take the same search space or another study_name"
            )


def _describe(distribution: Any) -> str:
    if distribution is None:
        return "it not"
    attributes = ", ".join(f"{k}={v}" for k, v in distribution["attributes"].items())
    return f"{distribution['name'].removesuffix('Distribution')}({attributes})"
