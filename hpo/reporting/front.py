"""The Pareto front of a study of several objectives: a table, a picture, YAML files."""

from __future__ import annotations

import csv
import math
from itertools import combinations
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from commons.files import replacing
from hpo.attributes import APP, FIGURES, RUN, stored
from hpo.reporting.best import best_config
from hpo.reporting.pareto import front, is_feasible
from hpo.reporting.style import BEST, BLUE, GRAY, Picture, key, short
from hpo.reporting.subject import Subject

_MOST_PAIRS = 6
_MOST_LABELS = 15


def write_front(subject: Subject, folder: Path) -> list[FrozenTrial]:
    """Write `front.csv` and a configuration for each trial of the front; return these trials.

    A study of one objective has no front, and nothing is written.
    """
    if len(subject.directions) < 2:
        return []
    best = front(subject.trials, subject.directions)
    keys = sorted({key for trial in best for key in trial.params})
    names = sorted({name for trial in best for name in stored(trial.user_attrs, FIGURES, {})})
    with replacing(folder / "front.csv") as partial, partial.open("w", newline="") as stream:
        table = csv.writer(stream)
        params, figures = [f"params.{key}" for key in keys], [f"figures.{name}" for name in names]
        table.writerow(["number", *subject.metrics, *params, *figures])
        for trial in best:
            own = stored(trial.user_attrs, FIGURES, {})
            rest = [trial.params.get(key, "") for key in keys], [own.get(n, "") for n in names]
            table.writerow([trial.number, *trial.values, *rest[0], *rest[1]])
    _write_configurations(subject, best, folder / "front")
    return best


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
            values = zip(subject.metrics, trial.values, strict=True)
            told = ", ".join(f"{name} {value:.6g}" for name, value in values)
            comment = f"Trial {trial.number} of study {subject.name}: {told}."
            with replacing(folder / f"{trial.number:04d}.yaml") as partial:
                partial.write_text(best_config(app, run["overrides"], comment))


def draw_front(subject: Subject, path: Path) -> Path:
    """Draw complete trials by each pair of objectives, the front marked with trial numbers."""
    pairs = [*combinations(range(len(subject.metrics)), 2)][:_MOST_PAIRS]
    columns = min(2, len(pairs))
    rows = math.ceil(len(pairs) / columns)
    title = f"{subject.name}: Pareto front"
    picture = Picture(title, rows, columns, height=4.2 if rows == 1 else 3.2 * rows)
    best = front(subject.trials, subject.directions)
    complete = [t for t in subject.trials if t.state == TrialState.COMPLETE]
    numbers = {trial.number for trial in best}
    groups = (
        ("infeasible", GRAY, "x", [t for t in complete if not is_feasible(t)]),
        ("beaten", BLUE, ".", [t for t in complete if is_feasible(t) and t.number not in numbers]),
        ("front", BEST, "o", best),
    )
    for panel, (x, y) in zip(picture.panels, pairs, strict=False):
        for name, color, marker, some in groups:
            if some:
                points = [t.values[x] for t in some], [t.values[y] for t in some]
                panel.plot(*points, marker, color=color, label=f"{len(some)} {name}")
        for trial in best[:_MOST_LABELS]:
            place = trial.values[x], trial.values[y]
            panel.annotate(
                str(trial.number), place, (4, 4), textcoords="offset points", fontsize=8
            )
        panel.set_xlabel(_label(subject, x))
        panel.set_ylabel(_label(subject, y))
    for panel in picture.panels[len(pairs) :]:
        panel.set_axis_off()
    key(picture.panels[0])
    return picture.save(path)


def _label(subject: Subject, index: int) -> str:
    better = "larger" if subject.directions[index] == "maximize" else "smaller"
    return f"{short(subject.metrics[index], 30)} ({better} is better)"
