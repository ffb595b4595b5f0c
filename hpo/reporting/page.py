"""The page of a study for a colleague: `report.html`, one file that loads nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

from optuna.trial import TrialState

from commons.files import replacing
from commons.pages import SORT, Section, code, document, facts, folded, pictures, sortable
from commons.terminal import one_line
from hpo.attributes import COMMAND_CODE, FIXED, SPACE, stored
from hpo.reporting.causes import why_none_is_complete
from hpo.reporting.comparison import comparison_table
from hpo.reporting.default import value_told
from hpo.reporting.front import front_table
from hpo.reporting.ledger import ledger_lines
from hpo.reporting.pareto import NONE_IS_FEASIBLE
from hpo.reporting.rows import columns_of, figures_of, rows_of
from hpo.reporting.rungs import rungs_of
from hpo.reporting.subject import Subject, told_goal
from hpo.reporting.table import counts

PAGE: Final = "report.html"
_WIDTH = 550  # of a picture: two beside each other
_MAX_ROWS = 1000  # in the table of the page; trials.csv has all
_PICTURES = {
    "Pareto front": ("front",),
    "Default and best": ("default_and_best",),
    "Values": ("history", "learning_curves", "rungs"),
    "Hyperparameters": ("importances", "parallel_coordinates", "slices"),
    "Work": ("timeline", "cost"),
}


@dataclass(frozen=True)
class Files:
    """What lies beside the page, and the commands that go with it.

    Attributes:
        folder: of the study and the page.
        pictures: PNG files by name.
        best: content of `best.yaml`; None: there is none.
        commands: what to do with the study: a command by purpose.
    """

    folder: Path
    pictures: Mapping[str, Path]
    best: str | None
    commands: Mapping[str, str]


def write_page(subject: Subject, files: Files) -> Path:
    """Write the page; return its path."""
    path = files.folder / PAGE
    with replacing(path) as partial:
        partial.write_text(html_page(subject, files), encoding="utf-8")
    return path


def html_page(subject: Subject, files: Files) -> str:
    """Return the page of a study."""
    groups = {title: _some(files, names) for title, names in _PICTURES.items()}
    sections = [
        Section("Best", _best(subject, files)),
        Section("Pareto front", groups["Pareto front"] + front_table(subject)),
        Section("Default and best", groups["Default and best"] + comparison_table(subject)),
        Section("Values", groups["Values"] + _rungs(subject)),
        Section("Hyperparameters", groups["Hyperparameters"]),
        Section("Work", groups["Work"] + facts(_work(subject))),
        Section("Trials", _trials(subject, files)),
        Section("How to rerun", _commands(files)),
        Section("What was searched", facts(_setting(subject))),
    ]
    return document(f"Study {subject.name}", sections, _intro(subject), SORT)


def _some(files: Files, names: Iterable[str]) -> str:
    return pictures((files.pictures[n] for n in names if n in files.pictures), _WIDTH)


def _intro(subject: Subject) -> str:
    goal = told_goal(subject.directions, subject.metrics)
    best = subject.summary.best
    result = f"best {best.told} by trial {best.number}" if best else _why_none(subject)
    lead = escape(one_line(f"{goal}: {result}."))
    return f'<p class="lead">{lead}</p><p>{escape(counts(subject.summary))}.</p>'


def _why_none(subject: Subject) -> str:
    return why_none_is_complete(subject.trials) or NONE_IS_FEASIBLE


def _best(subject: Subject, files: Files) -> str:
    best = subject.best
    if best is None:
        return ""
    values = {**figures_of(best), **dict(zip(subject.metrics, best.values, strict=True))}
    ordered = {name: values[name] for name in [*subject.metrics, *values]}
    shown = facts({name: _short(value) for name, value in {**ordered, **best.params}.items()})
    yaml = folded("best.yaml", code(files.best)) if files.best else ""
    summary = subject.summary.best
    by = f", the best by {summary.rule}" if summary and summary.rule else ""
    by += summary.origin if summary else ""
    return f"<p>{escape(one_line(f'Trial {best.number}{by}.'))}</p>{shown}{yaml}"


def _short(value: Any) -> Any:
    return value_told(value) if isinstance(value, float) else value


def _rungs(subject: Subject) -> str:
    rungs = rungs_of(subject.trials, subject.sign)
    rows = [(rung.step, rung.n_reached, rung.n_stopped, rung.best) for rung in rungs]
    headings = ("epoch", "trials that reached it", "stopped there", f"best {subject.metric}")
    return folded("Rungs as a table", sortable(headings, rows)) if rows else ""


def _work(subject: Subject) -> dict[str, Any]:
    summary = subject.summary
    used, saved = (f"{summary.worker_hours[name]:.3g}" for name in ("used", "saved"))
    shown: dict[str, Any] = {
        "cost": [text for _, text in ledger_lines(subject.ledger)],
        "worker hours": f"{used} used, about {saved} saved by pruning",
        "epochs": f"{summary.epochs.run} run, {summary.epochs.saved} saved by pruning",
        "hours with at least one worker": f"{summary.wall_s / 3600:.3g}",
    }
    if summary.worker_busy_fraction is not None:
        share = f"{summary.worker_busy_fraction:.0%} of their time inside the application"
        shown["workers"] = f"{summary.n_workers} over all commands, {share}"
    return shown


def _trials(subject: Subject, files: Files) -> str:
    begun = [*reversed(subject.begun)]
    others = [t for t in subject.trials if t.state != TrialState.WAITING]
    ordered = [*{t.number: t for t in [*begun, *others]}.values()]
    shown = ordered[:_MAX_ROWS]
    columns = [name for name in columns_of(subject) if name != "folder"]
    rows = ([row.get(name) for name in columns] for row in rows_of(subject, None, shown))
    note = "The best first; a click on a heading sorts."
    if len(shown) < len(ordered):
        note = f"The best {len(shown)} of {len(ordered)}; trials.csv has all. {note}"
    where = escape(f"Their folders: {files.folder}/trials")
    return f"<p>{note} {where}</p>{sortable(columns, rows)}"


def _commands(files: Files) -> str:
    return "".join(
        f"<p>{escape(purpose)}</p>{code(command)}" for purpose, command in files.commands.items()
    )


def _setting(subject: Subject) -> dict[str, Any]:
    attributes = subject.attributes
    space = stored(attributes, SPACE, {})
    searched = {key: describe(distribution) for key, distribution in space.items()}
    return {
        "objectives": [
            f"{one_line(metric)}, {direction}d"
            for metric, direction in zip(subject.metrics, subject.directions, strict=True)
        ],
        "trials": subject.summary.n_trials["total"],
        "searched": searched or [*dict.fromkeys(k for t in subject.trials for k in t.params)],
        "fixed": stored(attributes, FIXED, {}),
        "code": stored(attributes, COMMAND_CODE, {}),
    }


def describe(distribution: Mapping[str, Any]) -> str:
    """Return a distribution, as a study stores it, for people.

    >>> describe({"name": "FloatDistribution", "attributes": {"low": 0.1, "high": 1, "log": True}})
    '0.1 to 1, logarithmic'
    """
    attributes = distribution.get("attributes", {})
    if "choices" in attributes:
        return " | ".join(map(str, attributes["choices"]))
    text = f"{attributes.get('low')} to {attributes.get('high')}"
    step = attributes.get("step")
    text += f" in steps of {step}" if step not in (None, 1) else ""
    return text + (", logarithmic" if attributes.get("log") else "")
