"""The trials of earlier studies, as if they were trials of today's search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from commons.tables import read_table
from hpo.curves import read_curves
from hpo.settings import SettingError
from hpo.storage.finding import find_storage, find_study
from hpo.storage.opening import open_storage

Distributions = Mapping[str, BaseDistribution]


def read_earlier(
    sources: Sequence[str], distributions: Distributions, direction: str
) -> list[FrozenTrial]:
    """Return the complete and pruned trials of earlier studies, on today's search space.

    Trials that lack a searched parameter, or have a value outside of today's range, are left out;
    so are parameters that are not searched today.

    Args:
        sources: each a journal file, a sweep folder, a storage URL, or a CSV file of curves (see
            `hpo.curves`). Of several studies in a storage, all that have the searched keys and the
            direction are taken, of `SOURCE::STUDY` that one. The curves of `FILE.csv::PREFIX` are
            in the columns PREFIX0, PREFIX1, ... (`loss_` if not given), the hyperparameters in
            columns with the searched keys or their last parts: `lr` for `optimizer.lr`.
        distributions: today's search space by key; a leading `+` does not count.
        direction: "minimize" or "maximize"; a CSV file is taken to have the same.

    Raises:
        SettingError: a source cannot be read, lacks a searched key or has another direction.
    """
    if sources and not distributions:
        raise SettingError("{earlier_studies}: no search space in {params} to predict from")
    trials: list[FrozenTrial] = []
    for source in sources:
        place, name = split(source)
        try:
            if place.endswith(".csv"):
                trials += _read_csv(Path(place), name or "loss_", distributions, direction)
            else:
                read = partial(_read_study, distributions=distributions, direction=direction)
                trials += read_storage(place, name, read)
        except (ValueError, KeyError) as error:
            raise SettingError("{earlier_studies}: {}: {}", source, error) from error
    return trials


def split(source: str) -> tuple[str, str | None]:
    """Return what is before and after `::`, which an IPv6 address may have too."""
    place, separator, name = source.rpartition("::")
    return (place, name) if separator and "]" not in name else (source, None)


def _read_csv(
    path: Path, prefix: str, distributions: Distributions, direction: str
) -> list[FrozenTrial]:
    header = read_table(path).header
    columns = {key: column_of(key, header) for key in distributions}
    table = read_curves(path, [*dict.fromkeys(columns.values())], prefix, direction)
    return _adopted(table.trials(), columns, distributions)


def column_of(key: str, header: Sequence[str]) -> str:
    """Return the column of a searched key: that key, or its last part.

    Raises:
        ValueError: there is none.
    """
    names = key.lstrip("+~"), key.rpartition(".")[2].lstrip("+~")
    for name in names:
        if name in header:
            return name
    raise ValueError(f"no column {' or '.join(dict.fromkeys(names))}")


def read_storage(
    place: str, wanted: str | None, read: Callable[[optuna.Study], list[FrozenTrial]]
) -> list[FrozenTrial]:
    """Return what `read` returns of a study, or of all studies of a storage that fit.

    Args:
        place: a journal file, a sweep folder or a storage URL.
        wanted: name of the study; None: all of them.
        read: raises a ValueError for a study that does not fit.

    Raises:
        ValueError: the storage cannot be opened, or no study fits.
    """
    storage = open_storage(find_storage(place), Path.cwd(), exists=True)
    if wanted is None:
        names = sorted(study.study_name for study in storage.get_all_studies())
    else:
        names = [find_study(storage, wanted)]
    trials: list[FrozenTrial] = []
    misfits = []
    for name in names:
        try:
            study = optuna.load_study(study_name=name, storage=storage)
            trials += read(study)
        except ValueError as error:
            misfits.append(f"study '{name}': {error}")
    if len(misfits) == len(names):
        raise ValueError(next(iter(misfits), "no study in it"))
    return trials


def _read_study(
    study: optuna.Study, distributions: Distributions, direction: str
) -> list[FrozenTrial]:
    check_directions(study, [direction])
    states = (TrialState.COMPLETE, TrialState.PRUNED)
    trials = study.get_trials(deepcopy=False, states=states)
    theirs = {name.lstrip("+~"): name for trial in trials for name in trial.params}
    for key in distributions:
        if key.lstrip("+~") not in theirs:
            raise ValueError(f"no finished trial has the key {key}")
    names = {key: theirs[key.lstrip("+~")] for key in distributions}
    return _adopted(trials, names, distributions)


def check_directions(study: optuna.Study, wanted: Sequence[str]) -> None:
    """Raise a ValueError if a study has other objectives than today's."""
    theirs, ours = (
        ", ".join(each) for each in ([d.name.lower() for d in study.directions], wanted)
    )
    if theirs != ours:
        raise ValueError(f"its direction is {theirs}, not {ours}")


def _adopted(
    trials: Sequence[FrozenTrial], names: Mapping[str, str], distributions: Distributions
) -> list[FrozenTrial]:
    """Return the trials that today's space can hold, each key with the value of its old name."""
    adopted = []
    for trial in trials:
        try:
            adopted.append(_adopt(trial, names, distributions))
        except (KeyError, ValueError):  # a parameter is missing or out of range
            continue
    if not adopted:
        raise ValueError("no finished trial lies in the search space")
    return adopted


def _adopt(
    trial: FrozenTrial, names: Mapping[str, str], distributions: Distributions
) -> FrozenTrial:
    internal = {
        key: distribution.to_internal_repr(trial.params[names[key]])
        for key, distribution in distributions.items()
    }
    return create_trial(
        state=trial.state,
        value=trial.value,
        params={
            key: distributions[key].to_external_repr(value) for key, value in internal.items()
        },
        distributions=dict(distributions),
        intermediate_values=dict(trial.intermediate_values),
    )
