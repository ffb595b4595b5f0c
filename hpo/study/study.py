"""The shared study: what a sweep is made of, and whether a command may go on with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.pruners import BasePruner
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from commons.locks import FileLock
from hpo.attributes import FIXED, N_TRIALS, SPACE
from hpo.hydra_internals import instantiate
from hpo.search.screen import Screen
from hpo.search.space import Space
from hpo.storage.opening import open_storage
from hpo.study.earlier import read_earlier
from hpo.study.tickets import Tickets, issue_tickets

# Settings of the search itself; all others make the problem that is searched.
_OWN_SETTINGS = {"hydra", "hpo", "launcher"}


@dataclass(frozen=True)
class SweepSpec:
    """All that a worker must know about its sweep; travels to it pickled.

    Attributes:
        study_name: name in the storage.
        storage: as `hpo.storage.opening.open_storage` takes it, without passwords.
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
        patience_s: the storage may be out of reach for so long.
        earlier_studies: what the screen learns from, as `read_earlier` takes it; none: every
            trial begins.
        screen: `_target_` node of an `hpo.search.screen.Screen`; needed with earlier studies.
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
    patience_s: float = 300.0
    earlier_studies: tuple[str, ...] = ()
    screen: dict[str, Any] | None = None

    def open_storage(self, *, exists: bool = False) -> BaseStorage:
        """Return the storage of the sweep.

        Args:
            exists: wait for it if it is out of reach, as all operations do later.

        Raises:
            ValueError: it cannot be opened.
        """
        return open_storage(self.storage, self.sweep_dir, self.patience_s, exists=exists)

    def tickets(self, storage: BaseStorage, pruner: BasePruner | None) -> Tickets:
        """Return the tickets of the sweep."""
        return Tickets(
            storage,
            self.study_name,
            folder=self.sweep_dir,
            n_trials=self.n_trials,
            pruner=pruner,
            lease_s=self.lease_s,
            max_retries=self.max_retries,
        )


def open_study(spec: SweepSpec, storage: BaseStorage, lock: FileLock) -> optuna.Study:
    """Create the study or load it, and issue the tickets still missing, holding its lock.

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
    study.set_user_attr(N_TRIALS, max(spec.n_trials, study.user_attrs.get(N_TRIALS, 0)))
    issue_tickets(study, spec.n_trials, lock=lock)
    return study


def make_screen(spec: SweepSpec) -> Screen | None:
    """Return the screen of a sweep, which has learnt from the earlier studies.

    Raises:
        ValueError: there is none, or an earlier study cannot be read or does not fit.
    """
    if not spec.earlier_studies:
        return None
    if spec.screen is None:
        raise ValueError("screen: null, but something has to learn from earlier_studies")
    screen: Screen = instantiate(spec.screen)
    screen.learn(read_earlier(spec.earlier_studies, spec.space.distributions, spec.direction))
    return screen


def too_many_failures(storage: BaseStorage, study_id: int, spec: SweepSpec) -> bool:
    """Tell whether more than `max_failure_rate` of the whole budget has failed."""
    return have_failed_too_often(storage.get_all_trials(study_id, deepcopy=False), spec)


def have_failed_too_often(trials: Iterable[FrozenTrial], spec: SweepSpec) -> bool:
    """Tell whether too many of these trials of the budget have failed."""
    failed = sum(t.state == TrialState.FAIL and t.number < spec.n_trials for t in trials)
    return failed > spec.max_failure_rate * spec.n_trials


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
