"""Events of our own generator and detector simulation, made when they are first needed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from commons.console import Console
from commons.locks import FileLock
from mlpf.config import check_at_least
from mlpf.generation.generate import make_files
from mlpf.generation.processes import choose
from mlpf.generation.production import EventFile, Settings, portions
from mlpf.schema import SPLITS

_MAX_PILEUP: Final = 1000


@dataclass(frozen=True, kw_only=True)
class PythiaSource:
    """A folder of generated events: proton collisions at 14 TeV in the simulated detector.

    The folder receives `train-000.parquet`, ..., `val-000.parquet`, ..., `test-000.parquet`, ...
    and a subfolder `pythia` with the pools of pile-up events and the tables for Pythia's start.
    Training events share no pile-up event with the others. Same arguments, same events.

    Args:
        folder: where the files go, made if needed.
        process: `ttbar`, `qcd` (two jets with pt above 20 GeV), a file `*.cmnd` with Pythia
            settings that switch a process on, or `gun`.
        pileup: mean number of pile-up interactions, 0 to 1000.
        n_events: number of events of each of the splits `train`, `val` and `test`, at least 0.
        seed: at least 0.
        n_minbias: number of different pile-up events per pool, at least 1; there is one pool for
            training and one for the other splits.
        events_per_file: at least 1.
        count_once: see `particle_flow.tower_truth`.
        gun: only for `process="gun"`: particles that fly from the origin. Keys: `pid` (a list of
            PDG codes), `pt` or `energy` ([lowest, highest] in GeV), `eta` ([lowest, highest]),
            `number` (particles per event) and `log` (true: uniform in the logarithm of pt or
            energy).

    Raises:
        ValueError: an argument is out of range, or the file holds a setting that is refused.

    >>> source = PythiaSource(folder="data/ttbar", process="ttbar", pileup=20, seed=1,
    ...     n_events={"train": 250, "val": 100}, n_minbias=1000, events_per_file=100)
    >>> [file.path.name for file in source.files()]
    ['train-000.parquet', 'train-001.parquet', 'train-002.parquet', 'val-000.parquet']
    """

    folder: str | Path
    process: str
    pileup: float
    n_events: Mapping[str, int]
    seed: int
    n_minbias: int
    events_per_file: int
    count_once: bool = True
    gun: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if type(self.pileup) not in (int, float) or not 0 <= self.pileup <= _MAX_PILEUP:
            raise ValueError(f"pileup must be a number from 0 to {_MAX_PILEUP}, got {self.pileup}")
        unknown = sorted(set(self.n_events) - set(SPLITS))
        if unknown:
            raise ValueError(f"n_events has unknown splits {unknown}, not {[*SPLITS]}")
        check_at_least(0, **{f"n_events.{split}": n for split, n in self.n_events.items()})
        check_at_least(0, seed=self.seed)
        check_at_least(1, n_minbias=self.n_minbias, events_per_file=self.events_per_file)
        choose(self.process, self.gun)

    def files(self) -> list[EventFile]:
        """Return the files of the folder, whether they exist or not."""
        folder = Path(self.folder).absolute()
        shared = {key.name: getattr(self, key.name) for key in fields(Settings)}
        settings = Settings(**shared | {"process": choose(self.process, self.gun)})
        return [
            EventFile(folder / f"{split}-{number:03d}.parquet", split, number, n, settings)
            for split in SPLITS
            for number, n in enumerate(portions(self.n_events.get(split, 0), self.events_per_file))
        ]

    def prepare(self, n_processes: int | None = None) -> None:
        """Make the files that are missing; other processes that need them wait meanwhile.

        Args:
            n_processes: at least 1, without effect on the events; None for one per core.

        Raises:
            ConfigError: Pythia is not installed.
            ValueError: `n_processes` is out of range, or the folder holds events made with other
                settings, or more events than `n_events`.
            OSError: the folder cannot be written, or a process was killed.
        """
        if n_processes is not None:
            check_at_least(1, n_processes=n_processes)
        folder = Path(self.folder).absolute()
        start = time.perf_counter()
        # Pythia may keep the interpreter, and with it the thread of the lock, for a minute.
        with FileLock(folder / "generation", grace_s=120).kept_fresh():
            missing = [file for file in self.files() if not file.is_done()]
            if missing:
                left_out = missing[0].settings.process.left_out
                if left_out:
                    _say(f"{self.process}: left out, decided here: {', '.join(left_out)}")
                pythia_ms, simulation_ms = make_files(missing, n_processes)
        if missing:
            _say(
                f"{sum(file.n_events for file in missing)} events in {folder}: "
                f"{time.perf_counter() - start:.1f} s; CPU per event: "
                f"Pythia {pythia_ms:.1f} ms, pile-up and detector {simulation_ms:.1f} ms"
            )
        self._check_sizes(folder)

    def _check_sizes(self, folder: Path) -> None:
        for split, n_asked in self.n_events.items():
            files = folder.glob(f"{split}-*.parquet")
            n_found = sum(pq.read_metadata(path).num_rows for path in files)
            if n_found != n_asked:
                raise ValueError(
                    f"{folder} holds {n_found} {split} events, n_events.{split} is {n_asked}: "
                    "choose another folder or delete the old files"
                )


def _say(text: str) -> None:
    Console(stderr=True, soft_wrap=True).print(text)
