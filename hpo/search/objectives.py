"""Studies of one objective or several, as samplers and pruners see them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage

from commons.optuna_internals import OneObjective, SeveralObjectives
from hpo.attributes import BEST, REPORTED, stored
from hpo.settings import SettingError


def load(
    name: str,
    storage: BaseStorage,
    sampler: BaseSampler | None,
    pruner: BasePruner | None,
    reported: int = 0,
) -> optuna.Study:
    """Return a study that exists; `reported` is the index of the objective that trials report."""
    study = optuna.load_study(study_name=name, storage=storage, sampler=sampler, pruner=pruner)
    if len(study.directions) == 1:
        return study
    several = SeveralObjectives(name, storage, study.sampler, study.pruner)
    several.reported = reported
    return several


def set_goals(
    study: optuna.Study, names: Sequence[str] | None, weights: Sequence[float], reported: int = 0
) -> bool:
    """Store names of the objectives, what makes a trial the best, and which one trials report.

    Of one objective another name that the study has already is kept: it is a label only.

    Returns:
        Whether the study had another rule of the best.

    Raises:
        SettingError: the study has others or reports another one, so its values mean something
            else.
    """
    _set_names(study, names)
    if len(study.directions) == 1:
        return False
    attributes = study.user_attrs
    before = stored(attributes, REPORTED, reported)
    if before != reported:
        known = dict(enumerate(study.metric_names or ()))
        rule = "{goals}.prune_by: study '{}' reports {}, this command {}; use the same"
        raise SettingError(rule, study.study_name, known.get(before, before), known.get(reported))
    study.set_user_attr(REPORTED, reported)
    study.set_user_attr(BEST, [*weights])
    first = [1.0, *[0.0] * (len(weights) - 1)]
    return bool(stored(attributes, BEST, first) != [*weights])


def _set_names(study: optuna.Study, names: Sequence[str] | None) -> None:
    before = study.metric_names
    if names is None or before == [*names] or (before is not None and len(before) == 1):
        return
    if before is not None:
        rule = "{goals}.names: study '{}' has the objectives {}, got {}"
        raise SettingError(rule, study.study_name, *map(", ".join, (before, names)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names([*names])


def for_pruner(study: optuna.Study) -> optuna.Study:
    """Return a study as pruners and policies see it: of several objectives the reported one."""
    return OneObjective(study) if isinstance(study, SeveralObjectives) else study
