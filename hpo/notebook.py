"""A study in a notebook: its trials as a DataFrame, and the pictures of its report."""

from __future__ import annotations

import copy
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from commons.cli import did_you_mean
from commons.extras import remedy
from commons.optuna_internals import storage_of, study_id
from hpo.attributes import FOLDER, stored
from hpo.reporting.artist import pictures_of
from hpo.reporting.causes import why_none_is_complete
from hpo.reporting.pareto import NONE_IS_FEASIBLE
from hpo.reporting.rows import columns_of, rows_of
from hpo.reporting.subject import Subject, read_subject
from hpo.storage import finding

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Shown:
    """A picture that a notebook shows where it is the value of a cell.

    Attributes:
        png: content of a PNG file.
    """

    png: bytes

    def _repr_png_(self) -> bytes:
        return self.png

    def save(self, path: Path | str) -> None:
        """Write it to a file."""
        Path(path).write_bytes(self.png)


class LoadedStudy(optuna.Study):
    """A study of Optuna with what its report has; it writes nothing.

    Args:
        study_name: of the study.
        storage: where it is.

    Example:
        >>> study = optuna.create_study(study_name="s")
        >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
        >>> loaded = LoadedStudy("s", study._storage)
        >>> [*loaded.frame().columns[:5]]
        ['number', 'state', 'value', 'epochs', 'params.x']
    """

    def __init__(self, study_name: str, storage: BaseStorage) -> None:
        super().__init__(study_name=study_name, storage=storage)

    def frame(self) -> pandas.DataFrame:
        """Return all trials, one a row, with the columns of `trials.csv`.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            text = f"frame() needs pandas, which is not installed: {remedy('pandas')}"
            raise ImportError(text) from error
        subject = self._subject()
        folder = stored(self.user_attrs, FOLDER)
        rows = rows_of(subject, Path(folder) if folder else None)
        frame = pandas.DataFrame(rows, columns=columns_of(subject))
        for moment in ("started", "ended"):
            frame[moment] = pandas.to_datetime(frame[moment])
        return frame

    def figure(self, name: str) -> Shown:
        """Return a picture of the report, drawn from the study as it is now.

        Args:
            name: one of `figures`.

        Raises:
            ValueError: there is no such picture.
        """
        subject = self._subject()
        draw = pictures_of(subject)
        if name not in draw:
            near = did_you_mean(name, draw)
            raise ValueError(f"{name}: expected one of {', '.join(sorted(draw))}{near}")
        with tempfile.TemporaryDirectory() as folder:
            return Shown(draw[name](subject, Path(folder, f"{name}.png")).read_bytes())

    @property
    def figures(self) -> list[str]:
        """The names of the pictures."""
        return sorted(pictures_of(self._subject()))

    @property
    def best_trial(self) -> FrozenTrial:
        """The feasible complete trial that is the best, of several objectives by `goals.best`.

        Raises:
            ValueError: there is none.
        """
        best = self._subject().best
        if best is None:
            why = why_none_is_complete(self.trials) or NONE_IS_FEASIBLE
            raise ValueError(f"study {self.study_name}: {why}")
        return copy.deepcopy(best)

    def _subject(self) -> Subject:
        return read_subject(storage_of(self), study_id(self))


def load(where: Path | str, study: str | None = None) -> LoadedStudy:
    """Return a study of a sweep, also while it runs; no file is created or changed.

    Args:
        where: a sweep folder, a journal file, or the URL of a database or proxy.
        study: its name; None: the only one.

    Raises:
        ValueError: the storage or the study does not exist or cannot be opened.
    """
    found = finding.load(where, study)
    return LoadedStudy(found.study_name, storage_of(found))
