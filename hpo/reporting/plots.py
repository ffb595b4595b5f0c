"""Pictures of values: the history of a study, its learning curves, its rungs, its importances."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.trial import FrozenTrial, TrialState

from commons.picture_style import (
    BLUE,
    GRAY,
    INK,
    Picture,
    key,
    short,
    value_axis,
    whole_numbers,
)
from hpo.reporting.default import value_told
from hpo.reporting.importances import METHOD, importances
from hpo.reporting.rungs import rungs_of
from hpo.reporting.style import BEST, COLORS, NAMES
from hpo.reporting.subject import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_CURVES = 600  # of more, the best ones and some of the others are drawn
_MAX_BARS = 20
_LEFT, _LOW = 0.4, 0.8  # shares of a panel: left of, or below this a text fits on the other side
_MAX_WIDE_BARS = 5  # of rungs, whose texts fit on one line


def draw_history(subject: Subject, path: Path) -> Path:
    """Draw the value of each trial by its number, pruned ones gray, and the best so far."""
    picture = Picture(f"{subject.name}: value of each trial")
    (panel,) = picture.panels
    ended = [
        t for t in subject.trials if t.state.is_finished() and subject.last_value(t) is not None
    ]
    for state in (TrialState.PRUNED, TrialState.COMPLETE):
        some = [trial for trial in ended if trial.state == state]
        if some:
            numbers, label = [t.number for t in some], f"{len(some)} {NAMES[state]}"
            panel.plot(numbers, _lasts(subject, some), ".", color=COLORS[state], label=label)
    complete = [t for t in ended if t.state == TrialState.COMPLETE]
    if complete:
        better = max if subject.sign < 0 else min
        best = list(accumulate(_lasts(subject, complete), better))
        numbers = [t.number for t in complete]
        panel.step(numbers, best, where="post", color=BEST, linewidth=2, label="best so far")
    value_axis(panel, subject.metric, _lasts(subject, ended), _lasts(subject, ended), subject.sign)
    whole_numbers(panel.xaxis)
    panel.set_xlabel("trial number (of pruned trials the last value)")
    if subject.best is not None:
        value = subject.last_value(subject.best) or 0.0
        _name_best(panel, subject.best.number, (subject.best.number, value))
    key(panel)
    return picture.save(path)


def draw_learning_curves(subject: Subject, path: Path) -> Path:
    """Draw the reported values of each trial by step: pruned ones gray, the best one marked."""
    from matplotlib.collections import LineCollection

    picture = Picture(f"{subject.name}: learning curves")
    (panel,) = picture.panels
    begun = [trial for trial in subject.begun if trial.intermediate_values]
    shown, best = thinned(begun), subject.best
    order = [TrialState.PRUNED, TrialState.FAIL, TrialState.WAITING]
    for state in (*order, TrialState.COMPLETE, TrialState.RUNNING):
        some = [trial for trial in shown if trial.state == state]
        if some:
            label = f"{sum(t.state == state for t in begun)} {NAMES[state]}"
            curves = [sorted(trial.intermediate_values.items()) for trial in some]
            lines = LineCollection(curves, colors=COLORS[state], linewidths=0.9, label=label)
            panel.add_collection(lines)
            ends = [curve[-1] for curve in curves]
            panel.plot(*zip(*ends, strict=True), ".", color=COLORS[state], markersize=3)
    if best is not None and best.intermediate_values:
        curve = sorted(best.intermediate_values.items())
        panel.plot(*zip(*curve, strict=True), color=BEST, linewidth=2.2, label="best")
    values = [value for trial in shown for value in trial.intermediate_values.values()]
    value_axis(panel, subject.metric, values, _lasts(subject, shown), subject.sign)
    steps = [step for trial in shown for step in trial.intermediate_values]
    if steps:
        panel.set_xlim(min(steps) - 0.5, max(steps) + 0.5)
    some_only = f" ({len(shown)} of {len(begun)} curves)" if len(shown) < len(begun) else ""
    panel.set_xlabel(f"epoch (step){some_only}")
    whole_numbers(panel.xaxis)
    if best is not None and (point := subject.point_of(best)) is not None:
        _name_best(panel, best.number, point)
    key(panel)
    return picture.save(path)


def draw_curve(subject: Subject, trial: FrozenTrial, path: Path) -> Path:
    """Draw the learning curve of one trial before those of all others."""
    from matplotlib.collections import LineCollection

    picture = Picture(f"{subject.name}: trial {trial.number} among all trials")
    (panel,) = picture.panels
    others = thinned([t for t in subject.begun if t.intermediate_values and t is not trial])
    curves = [sorted(other.intermediate_values.items()) for other in others]
    panel.add_collection(LineCollection(curves, colors=GRAY, linewidths=0.8, label="others"))
    own = sorted(trial.intermediate_values.items())
    if own:
        panel.plot(*zip(*own, strict=True), ".-", color=BLUE, linewidth=2, label="this trial")
    drawn = [value for curve in [*curves, own] for _, value in curve]
    value_axis(panel, subject.metric, drawn, [c[-1][1] for c in [*curves, own] if c], subject.sign)
    panel.set_xlabel("epoch (step)")
    panel.margins(x=0.02)
    panel.autoscale(axis="x")
    whole_numbers(panel.xaxis)
    if own:
        _at(panel, own[-1], f"epoch {own[-1][0]}: {value_told(own[-1][1])}", BLUE)
    key(panel)
    return picture.save(path)


def draw_rungs(subject: Subject, path: Path) -> Path:
    """Draw how many trials have reached each rung, and the best value there."""
    picture = Picture(f"{subject.name}: what pruning has left at each rung")
    rungs = rungs_of(subject.trials, subject.sign)
    if not rungs:
        picture.say("no trial was pruned or paused at a step")
        return picture.save(path)
    (panel,) = picture.panels
    places = range(len(rungs))
    went_on = [rung.n_reached - rung.n_stopped for rung in rungs]
    panel.bar(places, went_on, color=BLUE, width=0.7, label="went on or goes on")
    stopped = [rung.n_stopped for rung in rungs]
    panel.bar(places, stopped, bottom=went_on, color=GRAY, width=0.7, label="stopped there")
    between = " " if len(rungs) <= _MAX_WIDE_BARS else "\n"
    for place, rung in zip(places, rungs, strict=True):
        best = "" if rung.best is None else f"best{between}{value_told(rung.best)}"
        text = f"{rung.n_reached}\n{best}"
        panel.text(place, rung.n_reached, text, ha="center", va="bottom", fontsize=8, color=INK)
    panel.set_xticks([*places], [f"epoch {rung.step}" for rung in rungs])
    whole_numbers(panel.yaxis)
    most = max(rung.n_reached for rung in rungs)
    panel.set(ylabel="trials that reached the rung", ylim=(0, 1.25 * most))
    key(panel)
    return picture.save(path)


def draw_importances(subject: Subject, path: Path) -> Path:
    """Draw how much of the ranks of all trials each hyperparameter explains, if trials suffice."""
    found = importances(subject.trials, subject.sign, subject.reported)
    if isinstance(found, str):
        picture = Picture(f"{subject.name}: importances")
        picture.say(f"not yet: {found}")
        return picture.save(path)
    at = "by their final values" if found.step is None else f"at step {found.step}"
    title = f"importances from {found.n_trials} trials {at}"
    names = [*found.shares][:_MAX_BARS][::-1]
    picture = Picture(f"{subject.name}: {title}", height=max(2.6, 1.6 + 0.26 * len(names)))
    (panel,) = picture.panels
    shares = [found.shares[name] for name in names]
    panel.barh([short(name, 34) for name in names], shares, color=BLUE)
    for place, share in enumerate(shares):
        panel.text(share + 0.01, place, f"{share:.2f}", va="center", fontsize=9, color=INK)
    panel.set(xlim=(0, 1.05))
    picture.figure.supxlabel(METHOD, fontsize=9.5, color=INK, y=0.01, va="bottom")
    longest = max(len(short(name, 34)) for name in names)
    bottom = 0.7 / picture.figure.get_figheight()
    picture.figure.subplots_adjust(left=min(0.42, 0.03 + 0.0118 * longest), bottom=bottom)
    return picture.save(path)


def thinned(trials: Sequence[FrozenTrial], limit: int = _MAX_CURVES) -> list[FrozenTrial]:
    """Return at most `limit` of trials that are sorted from the worst: the best, and others."""
    if len(trials) <= limit:
        return [*trials]
    half = limit // 2
    others = trials[:-half]
    return [*others[:: -(-len(others) // half)], *trials[-half:]]


def _lasts(subject: Subject, trials: Sequence[FrozenTrial]) -> list[float]:
    return [value for trial in trials if (value := subject.last_value(trial)) is not None]


def _name_best(panel: Axes, trial_number: int, point: tuple[float, float]) -> None:
    _at(panel, point, f"trial {trial_number}: {value_told(point[1])}", BEST)


def _at(panel: Axes, point: tuple[float, float], text: str, color: str) -> None:
    """Mark a point and write beside it, towards the middle; the limits of the axes are final."""
    panel.plot(*point, "o", color=color, markersize=6)
    x, y = panel.transAxes.inverted().transform(panel.transData.transform(point))
    panel.annotate(
        text,
        point,
        xytext=(6 if x < _LEFT else -6, 9 if y < _LOW else -9),
        textcoords="offset points",
        ha="left" if x < _LEFT else "right",
        va="bottom" if y < _LOW else "top",
        color=color,
        fontweight="bold",
        fontsize=9,
        bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1},
    )
