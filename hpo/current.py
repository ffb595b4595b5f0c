"""The trial that this process is working on, as the training code sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from hpo.ranks import Group


@dataclass(frozen=True)
class Checkpoint:
    """Where a trial keeps what it resumes from: `hpo.current_trial().checkpoint`.

    A trial that was interrupted or paused finds there what it has written, and one that takes the
    place of another trial (`hpo.PopulationPruner`) what its parent has. Write a file beside and
    rename it: then it is whole at any moment.

    Attributes:
        place: the folder, which need not exist yet.
        parent: number of the trial whose files were copied; None: there is none.

    Example:
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     checkpoint = Checkpoint(Path(folder, "checkpoint"))
        ...     assert checkpoint.resume_from is None
        ...     for epoch in (1, 2):
        ...         _ = (checkpoint.folder / "new").write_text(f"{epoch}")
        ...         os.replace(checkpoint.folder / "new", checkpoint.folder / "state")
        ...     (checkpoint.resume_from / "state").read_text()
        '2'
    """

    place: Path
    parent: int | None = None

    @property
    def folder(self) -> Path:
        """The folder of this trial alone, to write to; it is made if needed."""
        self.place.mkdir(parents=True, exist_ok=True)
        return self.place

    @property
    def resume_from(self) -> Path | None:
        """The folder if it holds files, the trial's own or its parent's; None: begin anew."""
        return self.place if self.place.is_dir() and any(self.place.iterdir()) else None


class CurrentTrial(Protocol):
    """What training code may ask of its trial: a `LeasedTrial`, or a follower's view."""

    @property
    def number(self) -> int:
        """Number of the trial in its study, from 0."""

    @property
    def params(self) -> dict[str, Any]:
        """The searched values of this trial, by configuration key."""

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the trial keeps what it resumes from."""

    def set_user_attr(self, key: str, value: Any) -> None:
        """Store a JSON-serializable value with the trial."""

    def note(self, facts: Mapping[str, str]) -> None:
        """Record what the trial runs with; say so if it was begun with something else."""

    def note_figures(self, figures: Mapping[str, float]) -> None:
        """Keep figures of the whole training with the trial, beside those of its best step."""

    def should_stop(
        self,
        value: float,
        step: int,
        *,
        final: bool = False,
        figures: Mapping[str, float] | None = None,
    ) -> bool:
        """Store the value reached after `step` steps; return whether the trial should end now.

        `figures` are kept with the trial if the value is its best so far.
        """


class FollowedTrial:
    """A trial as the ranks other than 0 see it: rank 0 reports and decides."""

    def __init__(self, number: int, group: Group, checkpoint: Checkpoint) -> None:
        self.number, self._group, self.checkpoint = number, group, checkpoint
        self.params: dict[str, Any] = {}  # only rank 0 has them; the configuration has the values

    def set_user_attr(self, key: str, value: Any) -> None:
        """Do nothing: rank 0 stores it."""

    def note(self, facts: Mapping[str, str]) -> None:
        """Do nothing: rank 0 records it."""

    def note_figures(self, figures: Mapping[str, float]) -> None:
        """Do nothing: rank 0 keeps them."""

    def should_stop(
        self,
        value: float,  # noqa: ARG002
        step: int,
        *,
        final: bool = False,  # noqa: ARG002
        figures: Mapping[str, float] | None = None,  # noqa: ARG002
    ) -> bool:
        """Return what rank 0 decides after this step; wait for it."""
        return self._group.decision(step)


_current: CurrentTrial | None = None


def current_trial() -> CurrentTrial | None:
    """Return the trial that runs in this process, None outside a sweep."""
    return _current


def set_current_trial(trial: CurrentTrial | None) -> None:
    """Make `trial` the one that `hpo.report_value` reports to."""
    global _current
    _current = trial


def note_data(fingerprint: str) -> None:
    """Record with the trial what data it is trained on; outside a sweep do nothing.

    If the trial was begun with other data, because it was interrupted and the data have changed
    meanwhile, the log says so.

    Args:
        fingerprint: a short text that is another one for other data, for example a hash.
    """
    trial = current_trial()
    if trial is not None:
        trial.note({"data": fingerprint})


def note_figures(figures: Mapping[str, float]) -> None:
    """Keep figures of the whole training with the trial; outside a sweep do nothing.

    They stand beside those of the best step (`report_value`), and constraints may be set on them.

    Args:
        figures: number by name, such as the peak memory; one that is not finite is left out.

    Example:
        >>> note_figures({"peak_memory_gb": 3.2})  # outside a sweep: nothing happens

    Raises:
        TypeError: a figure is not a number.
    """
    trial = current_trial()
    if trial is not None:
        trial.note_figures(figures)


def report_value(value: float, step: int, figures: Mapping[str, float] | None = None) -> None:
    """Report the objective after `step` steps; outside a sweep do nothing.

    In a trial of several ranks each of them calls this, and all stop together.

    Args:
        value: the objective so far, in the study's direction; of several the one that prunes.
        step: steps (epochs) done, from 1.
        figures: further figures of this step by name, for people: those beside the best value are
            shown with the trial. One that is not finite is left out.

    Raises:
        optuna.TrialPruned: the trial should end now, for good or until it is resumed. Do not catch
            it: the worker expects it.
        TypeError: `value` or a figure is not a number.
        ValueError: `step` is not a whole number, or negative.
        hpo.study.lease.LeaseLostError: another worker has taken the trial over. Not an
            `Exception`; do not catch it either.
    """
    trial = current_trial()
    if trial is not None and trial.should_stop(value, step, figures=figures):
        from optuna import TrialPruned

        raise TrialPruned(f"trial {trial.number} stopped after step {step}")
