"""What another number of workers would have bought a finished study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import optuna
from optuna.pruners import BasePruner, NopPruner

from commons.cli import Failure, UsageError
from commons.console import Console
from hpo.simulate import report_time
from hpo.simulate.cluster import Cluster, Duration
from hpo.simulate.engine import replay
from hpo.simulate.known import KnownStudy, known_study
from hpo.simulate.methods import make_method, make_policy
from hpo.simulate.report_time import time_text
from hpo.simulate.settings import Settings
from hpo.simulate.timelines import make_row
from hpo.storage.finding import load

_HOUR_S = 3600.0
_SETTINGS = {"study", "storage", "n_workers", "pruner", "seeds", "queue_s", "start_s", "requeue_s"}
_SETTINGS |= {"failures_per_hour", "preemptions_per_hour", "cores_per_worker", "out"}
Row = dict[str, Any]


def answer(settings: Settings, console: Console) -> None:
    """Replay the study of a command with other numbers of workers; print and write the result."""
    if other := next((key for key in settings.changed if key not in _SETTINGS), None):
        raise UsageError(f"{other}=... is for simulations of curves=..., not of study=...")
    study = _study(settings)
    known = known_study(study)
    if not known.n_epochs:
        raise Failure(f"study={settings.study}: no trial with a known time is complete")
    cluster = _cluster(settings, known)
    rows = [
        replay_on(
            known,
            n,
            cluster,
            make_pruner=None if settings.pruner is None else _pruner(settings.pruner, known),
            seeds=settings.seeds if settings.is_random else 1,
            cores=known.cores if settings.cores_per_worker is None else settings.cores_per_worker,
        )
        for n in _numbers(settings.n_workers, known.n_workers)
    ]
    title = f"Study {study.study_name} with other numbers of workers"
    with_settings = [{**row, "settings": _shown(settings)} for row in rows]
    report_time.write(with_settings, settings.out, title)
    report_time.print_rows(console, rows, title)
    explain(console, known, rows)
    console.print(f"files in {settings.out}")


def _study(settings: Settings) -> optuna.Study:
    if settings.storage is not None:
        return load(settings.storage, settings.study)
    return load(settings.study or "")


def _numbers(wanted: int | None, own: int) -> list[int]:
    return [own, 2 * own, 4 * own] if wanted is None else list(dict.fromkeys([own, wanted]))


def _cluster(settings: Settings, known: KnownStudy) -> Cluster:
    """Return the machines of the study; what the command sets replaces what was recorded."""
    own, given = known.cluster, settings.cluster(None)
    queue_s = own.queue_s if settings.queue_s is None else given.queue_s
    return replace(
        own,
        queue_s=queue_s,
        start_s=own.start_s if settings.start_s is None else given.start_s,
        requeue_s=queue_s if settings.requeue_s is None else given.requeue_s,
        failures_per_hour=settings.failures_per_hour,
        preemptions_per_hour=settings.preemptions_per_hour,
    )


def _pruner(node: dict[str, Any], known: KnownStudy) -> Callable[[], BasePruner]:
    method = make_method("pruner", {"pruner": node})
    values = {"epochs": known.n_epochs, "seed": 0, "n_workers": known.n_workers}
    return lambda: make_policy(method, values).pruner


def _shown(settings: Settings) -> dict[str, Any]:
    return {key: value for key, value in settings.changed.items() if key not in ("study", "out")}


def replay_on(
    known: KnownStudy,
    n_workers: int,
    cluster: Cluster,
    *,
    make_pruner: Callable[[], BasePruner] | None = None,
    seeds: int = 1,
    cores: float = 1.0,
) -> Row:
    """Return what a study costs and finds with a number of workers: medians over seeds.

    Without a pruner each trial ends where it ended. With one, it decides anew as far as the curve
    is known.

    Returns:
        A row of `make_row`, with `name`, `n_workers` and `n_cut`: trials that the pruner would
        have trained beyond their known end.
    """
    runs = [
        replay(
            known.trials,
            NopPruner() if make_pruner is None else make_pruner(),
            n_workers=n_workers,
            seed=seed,
            cluster=cluster,
        )
        for seed in range(seeds)
    ]
    timelines = [run.timeline for run in runs if run.timeline is not None]
    return {
        "name": _workers(n_workers),
        "n_workers": n_workers,
        **make_row(timelines, known.trials.direction, cores),
        "n_cut": 0 if make_pruner is None else max(run.n_cut for run in runs),
    }


def explain(console: Console, known: KnownStudy, rows: Sequence[Row]) -> None:
    """Print what the rows mean; the first one has the workers that the study had."""
    own, *others = rows
    if known.wall_s:
        at_once = replace(known.cluster, queue_s=Duration(), start_s=Duration())
        model = replay_on(known, known.n_workers, at_once)["wall_h"]
        console.print(
            f"The study took {time_text(known.wall_s / _HOUR_S)} without queue and start-up; "
            f"replayed as it was: {time_text(model)}."
        )
    for row in others:
        console.print(_sentence(own, row))
    if known.n_left_out:
        console.print(f"{known.n_left_out} trials without an end or a time are left out.")
    if n_cut := max(row["n_cut"] for row in rows):
        n = known.trials.n_trials
        console.print(
            f"The pruner would have trained up to {n_cut} of {n} trials beyond what is known of "
            "their curves; they end there, so hours and core-hours are at least these."
        )
    console.print(
        "Proposals are those of the study; a sampler that learns would have known less with more "
        "workers."
    )


def _sentence(own: Row, row: Row) -> str:
    parts = []
    if own["best_h"] and row["best_h"]:
        gain = _gain(own["best_h"], row["best_h"])
        parts.append(f"the best value after {time_text(row['best_h'])}, {gain}")
    parts.append(
        f"the end after {time_text(row['wall_h'])}, {_gain(own['wall_h'], row['wall_h'])}"
    )
    more = round(row["core_h"] / own["core_h"] - 1, 3)
    parts.append(f"core-hours {more:+.1%}" if more else "as many core-hours")
    return f"{_workers(row['n_workers'])} instead of {own['n_workers']}: {'; '.join(parts)}."


def _gain(own_h: float, hours: float) -> str:
    if hours <= own_h:
        return f"{own_h / hours:.3g} times earlier"
    return f"{hours / own_h:.3g} times later"


def _workers(n: int) -> str:
    return f"{n} workers" if n > 1 else "1 worker"
