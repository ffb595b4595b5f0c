"""The shared study: the parts of a sweep, and whether a command may continue it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.pruners import BasePruner
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from commons.locks import FileLock
from hpo.attributes import CUSTOM_SPACE, FIXED, LEASE_S, N_TRIALS, SPACE, STUDY_ID, stored
from hpo.budgets import Budget, budget_of
from hpo.goals import Goals, directions_of, goals_of
from hpo.growth import Growth
from hpo.search.finite import most_trials
from hpo.search.growth import GrowingPruner
from hpo.search.objectives import set_goals
from hpo.search.pausing import PausingPruner
from hpo.search.points import Point
from hpo.search.seeded import build, make_sampler
from hpo.search.space import Space
from hpo.settings import SettingError, SweepSettings
from hpo.storage.folders import claim_study_folder, identify
from hpo.storage.identity import StorageLostError
from hpo.storage.opening import open_storage, storage_file
from hpo.study.adding import add
from hpo.study.enqueue import enqueue
from hpo.study.portions import issue_tickets
from hpo.study.provenance import differences
from hpo.study.tickets import Tickets


@dataclass(kw_only=True)
class SweepSpec(SweepSettings):
    """What a worker must know about its sweep; sent to workers as a pickle.

    Attributes:
        sweep_dir: absolute.
        space: what is searched and what is fixed.
        points: what `enqueue` means.
        to_add: what `add` means, until the study has it.
        n_added: such trials of the study, which have its first numbers.
        study_id: unique; set when the study is opened.
        has_new_rule: the study had another rule of the best; set when it is opened.
        growth: how trials change their number of GPUs; None: they do not.
        gpus: of this worker, if trials grow.
    """

    sweep_dir: Path
    space: Space
    points: tuple[Point, ...] = ()
    to_add: tuple[FrozenTrial, ...] = ()
    n_added: int = 0
    study_id: str = ""
    has_new_rule: bool = False
    growth: Growth | None = None
    gpus: int = 1

    def __post_init__(self) -> None:
        """Check the settings, see `SweepSettings`; bring mappings into their plain form."""
        super().__post_init__()
        directions = directions_of(self.direction, self.goals)
        self.direction = directions if len(directions) > 1 else directions[0]
        self.goals: Goals = goals_of(self.goals, self.directions)
        self.budget: Budget = budget_of(self.budget)

    @property
    def begins_anew(self) -> bool:
        """Whether an existing study is put aside."""
        return self.restart is not None and self.restart is not False

    @property
    def directions(self) -> list[str]:
        """The direction of each objective."""
        return self.direction if isinstance(self.direction, list) else [self.direction]

    def make_pruner(self) -> BasePruner | None:
        """Return the pruner of this worker; None: there is none."""
        pruner = build(self.pruner) if self.pruner and self.goals.prune_by is not None else None
        if self.growth is None or not isinstance(pruner, PausingPruner):
            return pruner
        return GrowingPruner(pruner, self.growth, self.gpus)

    def open_storage(self, *, exists: bool = False) -> BaseStorage:
        """Return the storage of the sweep, see `hpo.open_storage`."""
        return open_storage(self.storage, self.sweep_dir, self.patience_s, exists=exists)

    def find(self, storage: BaseStorage) -> int:
        """Return Optuna's id of the study, for a worker that was started for it.

        Raises:
            StorageLostError: it is not there, or another one has its name.
        """
        known = None
        with suppress(KeyError):
            number = storage.get_study_id_from_name(self.study_name)
            known = stored(storage.get_study_user_attrs(number), STUDY_ID)
        if known is None or known != self.study_id:
            what = "not in its storage any more" if known is None else "another one by now"
            raise StorageLostError(
                f"the study '{self.study_name}' that this worker was started for is {what}; "
                "nothing was written. Move its journal back, if it was moved, and repeat the "
                "command"
            )
        return number

    def tickets(self, storage: BaseStorage, pruner: BasePruner | None) -> Tickets:
        """Return the tickets of the sweep."""
        return Tickets(
            storage,
            self.study_name,
            folder=self.sweep_dir,
            n_trials=self.n_trials,
            n_added=self.n_added,
            pruner=pruner,
            lease_s=self.lease_s,
            max_retries=self.max_retries,
            timeout=self.timeout,
            max_failures=self.max_failure_rate * self.n_trials,
            budget=self.budget,
            reported=self.goals.reported,
        )


def existing_study(spec: SweepSpec) -> optuna.Study | None:
    """Return the study of a sweep, None if there is none; no file is created."""
    file = storage_file(spec.storage, spec.sweep_dir)
    if file is not None and not file.is_file():
        return None
    try:
        return optuna.load_study(study_name=spec.study_name, storage=spec.open_storage())
    except KeyError:
        return None


def open_study(spec: SweepSpec, storage: BaseStorage, lock: FileLock) -> optuna.Study:
    """Create the study or load it, and issue its next tickets, holding its lock.

    If a sampler visits each point of a finite space once, `spec.n_trials` becomes at most the
    number of trials that this allows.

    Raises:
        SettingError: the study exists with another direction, search space or fixed setting, or
            the folder is not the study's.
    """
    study = optuna.create_study(
        storage=storage,
        study_name=spec.study_name,
        directions=[StudyDirection[each.upper()] for each in spec.directions],
        load_if_exists=True,
    )
    known = [each.name.lower() for each in study.directions]
    if known != spec.directions:
        rule = "{direction}: study '{}' exists with direction {}, got {}"
        raise SettingError(rule, spec.study_name, *map(", ".join, (known, spec.directions)))
    spec.has_new_rule = set_goals(study, spec.goals.names, spec.goals.best, spec.goals.reported)
    space = {name: _as_json(d) for name, d in spec.space.distributions.items()}
    _check_same_space(spec, study, space)
    overrides = (override.partition("=") for override in spec.space.fixed)
    fixed = {key: value for key, _, value in overrides}
    _check_same_settings(spec, stored(study.user_attrs, FIXED, fixed), fixed)
    claim_study_folder(spec.sweep_dir, study)
    spec.study_id = identify(study)
    study.set_user_attr(SPACE, space)
    study.set_user_attr(CUSTOM_SPACE, spec.custom_search_space)
    study.set_user_attr(FIXED, fixed)
    spec.n_added, spec.to_add = add(study, spec.add, spec.to_add, lock), ()
    sampler, _ = make_sampler(spec.sampler, 0)
    enqueue(study, spec.points, spec.n_trials, sampler)
    space_known = spec.space.distributions if spec.custom_search_space is None else None
    most = most_trials(study, sampler, space_known) - spec.n_added
    spec.n_trials = int(min(spec.n_trials, most))
    total = spec.n_added + spec.n_trials
    study.set_user_attr(N_TRIALS, max(total, stored(study.user_attrs, N_TRIALS, 0)))
    study.set_user_attr(LEASE_S, spec.lease_s)
    issue_tickets(study, total, lock=lock)
    return study


def _check_same_settings(spec: SweepSpec, known: dict[str, str], wanted: dict[str, str]) -> None:
    """Refuse another problem: other fixed overrides than those that only set up the sweep."""
    for key, before, now in differences(known, wanted, spec.own_groups):
        rule = "{}: study '{}' was made with {}, this command has {}; use the same settings"
        raise _refusal(spec, rule, key, spec.study_name, before, now)


def _as_json(distribution: BaseDistribution) -> Any:
    return json.loads(distribution_to_json(distribution))


def _check_same_space(spec: SweepSpec, study: optuna.Study, wanted: dict[str, Any]) -> None:
    function = spec.custom_search_space
    before = stored(study.user_attrs, CUSTOM_SPACE, function)
    if before != function:
        rule = "{custom_search_space}: {} in study '{}', {} in this command; use the same function"
        raise _refusal(spec, rule, before, spec.study_name, function)
    known = _known_space(study, wanted.keys() if function else None)
    if known is None:
        return
    for name in sorted(known.keys() | wanted.keys()):
        if known.get(name) != wanted.get(name):
            before, now = (_describe(space.get(name)) for space in (known, wanted))
            rule = "{}: {} in study '{}', {} in this command; use the same search space"
            raise _refusal(spec, rule, name, before, spec.study_name, now)


def _known_space(study: optuna.Study, of_settings: Iterable[str] | None) -> dict[str, Any] | None:
    """Return the search space without what a function suggests; None if it is not known.

    A study of others does not say what comes from where: `of_settings` are its names that do not
    come from a function, None for all.
    """
    noted = stored(study.user_attrs, SPACE)
    if noted is not None:
        return dict(noted)
    found = [trial.distributions for trial in study.get_trials(deepcopy=False)]
    spaces = {name: _as_json(d) for distributions in found for name, d in distributions.items()}
    if of_settings is not None:
        spaces = {name: spaces[name] for name in of_settings if name in spaces}
    return spaces or None


def _refusal(spec: SweepSpec, rule: str, *values: Any) -> SettingError:
    """Return a rule with what else the user can do."""
    named = any(spec.study_name in part for part in spec.sweep_dir.parts[-2:])
    folder = "" if named else " and hydra.sweep.dir"
    others = f", another {{study_name}}{folder}, or begin anew with {{restart}}={{}}"
    return SettingError(rule + others, *values, spec.study_name)


def _describe(distribution: Any) -> str:
    if distribution is None:
        return "not searched"
    attributes = ", ".join(f"{k}={v}" for k, v in distribution["attributes"].items())
    return f"{distribution['name'].removesuffix('Distribution')}({attributes})"
