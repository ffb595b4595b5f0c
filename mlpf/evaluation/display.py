"""Event displays: what truth, rules and MLPF see in one event, side by side in eta and phi.

A marker is a particle: its shape and color say the class, its area is proportional to the
transverse momentum. A thin line leads from the direction of a charged particle at the vertex to
where its track enters the calorimeter. Circles are the leading jets. The arrow is the missing
transverse momentum, which has no pseudorapidity: its height is the direction, its length the
value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from numpy.typing import NDArray

from commons.picture_style import BLUE, CYCLE, GREEN, INK, ORANGE, RED, Picture
from mlpf.evaluation.style import label, look
from mlpf.schema import ElementType, Particle

Array = NDArray[np.floating[Any]]

_MAX_ETA: Final = 5.2
_RADIUS: Final = 0.4  # of the jets
_AREA: Final = 4.0  # of a marker, points^2 per GeV
_MIN_TRACK_PT: Final = 1.0  # softer ones have no line (GeV)
_CROWDED: Final = 1500  # with more particles markers are smaller and fewer tracks have a line
_MAX_JETS: Final = 12
_MET_LENGTH: Final = 2.5  # of the longest arrow, in units of eta
_WIDTH, _HEIGHT = 5.4, 4.3  # of a panel and of a picture (inch)
_MARKS: Final = {  # marker and color of each class
    Particle.CHARGED_HADRON: ("o", BLUE),
    Particle.NEUTRAL_HADRON: ("s", ORANGE),
    Particle.PHOTON: ("^", GREEN),
    Particle.ELECTRON: ("D", CYCLE[3]),
    Particle.MUON: ("X", INK),
}
_EXAMPLES_GEV: Final = (1, 10, 50)  # of the areas in the legend


@dataclass(frozen=True)
class Panel:
    """One view of an event.

    Args:
        particles: shape (N, 7), columns `schema.Y_COLUMNS`; class 0 is no particle.
        jets: shape (J, 3): pt in GeV, eta, phi; None: none were made.
    """

    particles: Array
    jets: Array | None = None


@dataclass(frozen=True)
class Display:
    """One event.

    Args:
        title: what event it is.
        elements: shape (N, 12), columns `schema.X_COLUMNS`; row i belongs to row i of the panels.
        panels: by column, `truth`, `rules` or `mlpf`.
    """

    title: str
    elements: Array
    panels: Mapping[str, Panel]


def draw_displays(displays: Sequence[Display], folder: Path, subject: str = "") -> list[Path]:
    """Draw `event_1.png`, `event_2.png` and so on into `folder`; return their paths.

    The title of a picture is that of its event with the `subject`: what was evaluated.
    """
    return [
        draw_display(display, subject).save(folder / f"event_{number}.png")
        for number, display in enumerate(displays, 1)
    ]


def draw_display(display: Display, subject: str = "") -> Picture:
    """Return the picture of an event."""
    n_panels = len(display.panels)
    title = f"{display.title}: {subject}" if subject else display.title
    picture = Picture(title, 1, n_panels, width=_WIDTH * n_panels, height=_HEIGHT)
    picture.figure.subplots_adjust(bottom=0.9 / _HEIGHT, wspace=0.12)
    mets = {column: missing(panel.particles) for column, panel in display.panels.items()}
    longest = max((float(np.hypot(*met)) for met in mets.values()), default=0.0)
    counts = {c: int(np.count_nonzero(p.particles[:, 0])) for c, p in display.panels.items()}
    crowd = max(1.0, max(counts.values(), default=0) / _CROWDED)
    for axes, (column, panel) in zip(picture.panels, display.panels.items(), strict=True):
        _draw_tracks(axes, panel.particles, display.elements, _MIN_TRACK_PT * crowd)
        _draw_particles(axes, panel.particles, _AREA / crowd)
        if panel.jets is not None:
            _draw_jets(axes, panel.jets)
        _draw_met(axes, mets[column], longest)
        heading = f"{look(column).label}: {counts[column]} particles"
        axes.set_title(heading, loc="left", fontsize=10)
        axes.set(xlim=(-_MAX_ETA, _MAX_ETA), ylim=(-np.pi, np.pi), xlabel=r"$\eta$")
        axes.set_aspect("equal")
    picture.panels[0].set_ylabel(r"$\phi$")
    has_jets = any(panel.jets is not None for panel in display.panels.values())
    picture.figure.legend(
        handles=_legend(has_jets, _AREA / crowd),
        loc="lower center",
        ncols=12 if n_panels > 1 else 4,
        frameon=False,
        fontsize=9,
        columnspacing=1.2,
    )
    return picture


def missing(particles: Array) -> NDArray[np.float64]:
    """Return px and py of the missing transverse momentum, shape (2,), in GeV."""
    found = particles[:, 0] != Particle.NONE
    pt, sin, cos = particles[found][:, [2, 4, 5]].T.astype(np.float64)
    return -np.array([(pt * cos).sum(), (pt * sin).sum()])


def _phi(rows: Array, sin: int, cos: int) -> NDArray[np.float64]:
    return np.arctan2(rows[:, sin].astype(np.float64), rows[:, cos].astype(np.float64))


def _draw_particles(axes: Axes, particles: Array, area: float) -> None:
    for kind, (marker, color) in _MARKS.items():
        some = particles[particles[:, 0] == kind]
        some = some[np.argsort(-some[:, 2])]  # soft ones on top
        axes.scatter(
            some[:, 3],
            _phi(some, 4, 5),
            s=area * some[:, 2],
            marker=marker,
            color=color,
            alpha=0.7,
            linewidths=0.4,
            edgecolors="white",
        )


def _draw_tracks(axes: Axes, particles: Array, elements: Array, pt_min: float) -> None:
    is_track = (elements[:, 0] == ElementType.TRACK) & (particles[:, 0] != Particle.NONE)
    is_track &= particles[:, 2] > pt_min
    some, tracks = particles[is_track], elements[is_track]
    begin, end = _phi(some, 4, 5), _phi(tracks, 7, 8)
    end = begin + (end - begin + np.pi) % (2 * np.pi) - np.pi  # the short way round
    lines = np.stack([np.stack([some[:, 3], begin], 1), np.stack([tracks[:, 6], end], 1)], 1)
    axes.add_collection(LineCollection(list(lines), colors="0.6", linewidths=0.6, zorder=0))


def _draw_jets(axes: Axes, jets: Array) -> None:
    leading = jets[np.argsort(-jets[:, 0])][:_MAX_JETS]
    for pt, eta, phi in leading.astype(float).tolist():
        for turn in (-2 * np.pi, 0.0, 2 * np.pi):  # a circle may cross phi = pi
            center = (eta, phi + turn)
            axes.add_patch(Circle(center, _RADIUS, fill=False, edgecolor=INK, linewidth=1.1))
        right, above = eta < _MAX_ETA - 1, phi < np.pi - 0.6
        axes.annotate(
            f"{pt:.0f}",
            (eta + 0.75 * _RADIUS * (1 if right else -1), phi + 0.75 * _RADIUS * above),
            fontsize=8,
            ha="left" if right else "right",
            va="bottom" if above else "top",
        )


def _draw_met(axes: Axes, met: NDArray[np.float64], longest: float) -> None:
    value, phi = float(np.hypot(*met)), float(np.arctan2(met[1], met[0]))
    if value == 0.0:
        return
    tip = -_MAX_ETA + _MET_LENGTH * value / longest
    style = {"arrowstyle": "-|>", "color": RED, "linewidth": 2.2, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (tip, phi), (-_MAX_ETA, phi), arrowprops=style)
    below = phi > np.pi - 0.5  # where there is no room above
    axes.annotate(
        f"MET {value:.0f} GeV",
        (-_MAX_ETA + 0.15, phi + (-0.12 if below else 0.1)),
        color=RED,
        fontsize=8.5,
        va="top" if below else "bottom",
        bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.5},
        zorder=5,
    )


def _legend(has_jets: bool, area_per_gev: float) -> list[Line2D]:
    def mark(marker: str, color: str, area: float, text: str, **more: Any) -> Line2D:
        options = {"linestyle": "none", "markersize": area**0.5, "color": color} | more
        return Line2D([], [], marker=marker, label=text, **options)

    handles = [
        mark(marker, color, 45, label(kind.name.lower()))
        for kind, (marker, color) in _MARKS.items()
    ]
    if has_jets:
        hollow = {"markerfacecolor": "none", "markeredgecolor": INK}
        handles.append(mark("o", INK, 130, "leading jets, $p_T$ [GeV]", **hollow))
    handles += [mark("o", "0.6", area_per_gev * pt, f"{pt} GeV") for pt in _EXAMPLES_GEV]
    return handles
