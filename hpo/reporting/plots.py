"""Plots of a study: history, learning curves, importances."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import optuna
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from commons.files import replacing
from hpo.reporting.importances import METHOD, importances

_GRAY, _BLUE, _RED = "0.72", "tab:blue", "tab:red"


def draw_history(trials: Sequence[FrozenTrial], direction: str, path: Path) -> None:
    """Draw the value of each trial by its number, pruned ones gray, and the best so far."""
    figure, axes = _figure("trial", "value")
    complete = [t for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
    pruned = [t for t in trials if t.state == TrialState.PRUNED and t.value is not None]
    for some, color, label in ((pruned, _GRAY, "pruned"), (complete, _BLUE, "complete")):
        axes.scatter([t.number for t in some], _values(some), c=color, label=label)
    if complete:
        better = max if direction == "maximize" else min
        best = list(accumulate(_values(complete), better))
        axes.step([t.number for t in complete], best, where="post", c=_RED, label="best so far")
    _scale(axes, _values([*complete, *pruned]))
    axes.legend()
    _save(figure, path)


def draw_learning_curves(trials: Sequence[FrozenTrial], best: int | None, path: Path) -> None:
    """Draw the reported values of each trial by step: pruned gray, complete blue, the best red."""
    figure, axes = _figure("step (epoch)", "value")
    order = sorted(trials, key=lambda t: (t.state != TrialState.PRUNED, t.number == best))
    labels = set()
    for trial in order:
        label = trial.state.name.lower() if trial.number != best else f"best: trial {best}"
        color = _GRAY if trial.state == TrialState.PRUNED else _BLUE
        axes.plot(
            list(trial.intermediate_values),
            list(trial.intermediate_values.values()),
            marker=".",
            color=_RED if trial.number == best else color,
            linewidth=2 if trial.number == best else 1,
            label=None if label in labels else label,
        )
        labels.add(label)
    _scale(axes, [value for trial in trials for value in trial.intermediate_values.values()])
    if labels:
        axes.legend()
    _save(figure, path)


def draw_importances(study: optuna.Study, path: Path) -> None:
    """Draw how much of the ranks of all trials each hyperparameter explains, if trials suffice."""
    sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
    found = importances(study.get_trials(deepcopy=False), sign)
    if isinstance(found, str):
        figure, axes = _figure("", "")
        axes.text(0.5, 0.5, f"not yet: {found}", ha="center", va="center", wrap=True)
        axes.set_axis_off()
    else:
        figure, axes = _figure(f"importance: {METHOD}", "")
        names = [*found.shares][::-1]
        axes.barh(names, [found.shares[name] for name in names], color=_BLUE)
        at = "by their final values" if found.step is None else f"at step {found.step}"
        axes.set(xlim=(0, 1), title=f"{found.n_trials} trials, pruned ones included, {at}")
    _save(figure, path)


def _values(trials: Sequence[FrozenTrial]) -> list[float]:
    return [float(trial.value or 0) for trial in trials]


def _figure(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=x_label, ylabel=y_label)
    return figure, axes


def _scale(axes: Axes, values: Sequence[float]) -> None:
    # On a linear scale one diverged trial would flatten all others.
    if values and min(values) > 0 and max(values) > 30 * min(values):
        axes.set_yscale("log")


def _save(figure: Figure, path: Path) -> None:
    # Two commands of one study may end at the same time.
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=130)
