"""The Pareto front of a study of several objectives: a table, a picture, YAML files."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from html import escape
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial, TrialState

from commons.files import replacing
from commons.pages import sortable
from commons.picture_labels import label_points
from commons.picture_style import BLUE, GRAY, Picture, is_logarithmic, key, logarithmic, short
from commons.terminal import one_line
from hpo.attributes import APP, RUN, stored
from hpo.reporting.best import best_config
from hpo.reporting.pareto import front_of, is_feasible
from hpo.reporting.rows import figures_of
from hpo.reporting.style import BEST
from hpo.reporting.subject import Subject
from hpo.reporting.summary import values_told

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_PAIRS = 6
_MOST_LABELS = 15


def write_front(subject: Subject, folder: Path) -> list[FrozenTrial]:
    """Write `front.csv` and a configuration for each trial of the front; return these trials.

    A study of one objective has no front, and nothing is written.
    """
    if len(subject.directions) < 2:
        return []
    best = front_of(subject.trials, subject.directions).trials
    keys = sorted({key for trial in best for key in trial.params})
    names = sorted({name for trial in best for name in figures_of(trial)})
    with replacing(folder / "front.csv") as partial, partial.open("w", newline="") as stream:
        table = csv.writer(stream)
        params, figures = [f"params.{key}" for key in keys], [f"figures.{name}" for name in names]
        table.writerow(["number", *subject.metrics, *params, *figures])
        for trial in best:
            own = figures_of(trial)
            rest = [trial.params.get(key, "") for key in keys], [own.get(n, "") for n in names]
            table.writerow([trial.number, *trial.values, *rest[0], *rest[1]])
    _write_configurations(subject, best, folder / "front")
    return best


def front_table(subject: Subject) -> str:
    """Return HTML: the rule of the best, and the trials of the front with what sets them apart.

    Empty without several objectives or without a trial on the front.
    """
    best = subject.summary.best
    if best is None or best.rule is None:
        return ""
    trials = front_of(subject.trials, subject.directions).trials
    names = dict.fromkeys(n for t in trials for n in figures_of(t) if n not in subject.metrics)
    keys = dict.fromkeys(key for trial in trials for key in trial.params)
    rows: list[list[Any]] = []
    for trial in trials:
        figures, params = figures_of(trial), trial.params
        rest = [*map(figures.get, names), *map(params.get, keys)]
        rows.append([trial.number, *trial.values, *rest])
    told = f"No other feasible trial is better in all objectives than one of these {len(trials)}. "
    told += f"Trial {best.number} is the best by {best.rule}."
    where = "Their configurations are front/NUMBER.yaml, beside this page."
    lead = f"<p>{escape(one_line(told))} {where}</p>"
    return lead + sortable(["trial", *subject.metrics, *names, *keys], rows)


def _write_configurations(subject: Subject, best: list[FrozenTrial], folder: Path) -> None:
    app = stored(subject.attributes, APP)
    if app is None or not best:
        return
    folder.mkdir(exist_ok=True)
    for old in folder.glob("[0-9]*.yaml"):  # of an earlier report
        old.unlink()
    for trial in best:
        run = stored(trial.user_attrs, RUN)
        if run is not None:
            told = values_told(dict(zip(subject.metrics, trial.values, strict=True)))
            comment = f"Trial {trial.number} of study {subject.name}: {told}."
            with replacing(folder / f"{trial.number:04d}.yaml") as partial:
                partial.write_text(best_config(app, run["overrides"], comment))


def draw_front(subject: Subject, path: Path) -> Path:
    """Draw complete trials by each pair of objectives, those of the front with their numbers."""
    pairs = [*combinations(range(len(subject.metrics)), 2)][:_MOST_PAIRS]
    columns = min(2, len(pairs))
    rows = math.ceil(len(pairs) / columns)
    title = f"{subject.name}: Pareto front"
    picture = Picture(title, rows, columns, height=4.2 if rows == 1 else 3.2 * rows)
    best = front_of(subject.trials, subject.directions).trials
    complete = [t for t in subject.trials if t.state == TrialState.COMPLETE]
    numbers = {trial.number for trial in best}
    infeasible = [t for t in complete if not is_feasible(t)]
    beaten = [t for t in complete if is_feasible(t) and t.number not in numbers]
    for panel, (x, y) in zip(picture.panels, pairs, strict=False):
        _mark(panel, infeasible, (x, y), "x", GRAY, "infeasible")
        _mark(panel, beaten, (x, y), ".", BLUE, "dominated")
        _mark(panel, best, (x, y), "o", BEST, "on the front")
        if len(subject.metrics) == 2:
            points = sorted((trial.values[x], trial.values[y]) for trial in best)
            before = subject.directions[0] == "maximize"
            drawn = "steps-pre" if before else "steps-post"
            panel.plot(*_columns(points), color=BEST, linewidth=1, alpha=0.5, drawstyle=drawn)
        for name, at in (("x", x), ("y", y)):
            if is_logarithmic([trial.values[at] for trial in complete]):
                logarithmic(panel, name)
        _name_trials(panel, subject, best, (x, y))
        panel.set_xlabel(_label(subject, x))
        panel.set_ylabel(_label(subject, y))
    for panel in picture.panels[len(pairs) :]:
        panel.set_axis_off()
    key(picture.panels[0])
    return picture.save(path)


def _mark(
    panel: Axes,
    trials: Sequence[FrozenTrial],
    axes: tuple[int, int],
    marker: str,
    color: str,
    name: str,
) -> None:
    if trials:
        points = [(trial.values[axes[0]], trial.values[axes[1]]) for trial in trials]
        panel.plot(*_columns(points), marker, color=color, label=f"{len(trials)} {name}")


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _name_trials(
    panel: Axes, subject: Subject, trials: Sequence[FrozenTrial], axes: tuple[int, int]
) -> None:
    """Write their numbers beside the first trials of the front, and which one is the best."""
    chosen = subject.best
    shown = [*trials[:_MOST_LABELS]]
    shown += [chosen] if chosen is not None and chosen not in shown else []
    points = [(trial.values[axes[0]], trial.values[axes[1]]) for trial in shown]
    best = None if chosen is None else f"best: trial {chosen.number}"
    names = [best if trial is chosen and best else str(trial.number) for trial in shown]
    label_points(panel, points, names)
    for text in panel.texts:
        text.set_bbox({"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.5})
        if text.get_text() == best:
            text.set(color=BEST, fontweight="bold")


def _label(subject: Subject, index: int) -> str:
    better = "larger" if subject.directions[index] == "maximize" else "smaller"
    return f"{short(subject.metrics[index], 30)} ({better} is better)"
