"""Adding the finished trials of other sources to a study that has not begun, each once."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial

from commons.locks import FileLock
from hpo.attributes import SOURCES, added_from, stored
from hpo.settings import SettingError
from hpo.storage.passwords import hide, passwords, with_passwords
from hpo.study.portions import add_all


def add(
    study: optuna.Study, sources: Sequence[str], trials: Sequence[FrozenTrial], lock: FileLock
) -> int:
    """Add trials to a study that has not begun, holding its lock; return how many it has.

    A command that is repeated adds nothing twice, and adds what a killed one has left.

    Raises:
        SettingError: the study has begun, without a source.
    """
    there = study.get_trials(deepcopy=False)
    known = [trial for trial in there if added_from(trial) is not None]
    before: list[str] = stored(study.user_attrs, SOURCES, [])
    labels = [label_of(source) for source in sources]
    if len(known) == len(there):
        had = {*map(identity, known)}
        new = [trial for trial in trials if identity(trial) not in had]
        add_all(study, new, lock)
        if not {*labels} <= {*before}:  # last: a killed command has not added all of them
            study.set_user_attr(SOURCES, [*dict.fromkeys([*before, *labels])])
        return len(known) + len(new)
    # Studies of earlier versions have only the labels of their trials. One of several studies of
    # a storage may be named alone.
    names = {*before, *filter(None, map(added_from, known))}
    for label in labels:
        if not any(name == label or name.startswith(f"{label}::") for name in names):
            rule = (
                "{add}: study '{}' has begun without {}; leave it out, or begin anew with "
                "{restart}={}"
            )
            raise SettingError(rule, study.study_name, label, study.study_name)
    return len(known)


def label_of(source: str) -> str:
    """Return a source without secrets."""
    whole = with_passwords(source)
    return hide(whole, passwords(whole))


def identity(trial: FrozenTrial) -> str:
    """Return what is the same for a trial that two sources have, also after it was stored."""
    space = trial.distributions
    point = sorted((key, space[key].to_internal_repr(v)) for key, v in trial.params.items())
    values = [float(value) for value in trial.values or ()]
    steps = sorted((step, float(value)) for step, value in trial.intermediate_values.items())
    return repr((point, trial.state.name, values, steps))
