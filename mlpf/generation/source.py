"""Where events come from when they are not there yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq


@dataclass(frozen=True)
class PythiaSource:
    """Events of `mlpf.generate`, made on first use; the arguments are those of `generate`.

    Args:
        folder: where the files `train-000.parquet`, ... go.
        process: `ttbar` or `qcd`.
        pileup: mean number of pile-up interactions: 0, 20, 50 or 200.
        n_events: number of events of each split, keys `train`, `val` and `test`.
        seed: same seed, same events; at least 0.
        n_minbias: size of the pools that pile-up is drawn from, at least 1.
        events_per_file: at least 1.
        count_once: see `particle_flow.tower_truth`.
    """

    folder: str
    process: str
    pileup: int
    n_events: Mapping[str, int]
    seed: int
    n_minbias: int
    events_per_file: int
    count_once: bool = True

    def prepare(self) -> None:
        """Make the files that are missing; other processes that want them wait meanwhile.

        Raises:
            ConfigError: an argument is out of range, Pythia is missing, or the folder holds
                events made with other settings.
            ValueError: the folder holds more events than asked for.
            OSError: the file system has no locks.
        """
        from mlpf.generate import generate  # Pythia is optional, and needed only here

        folder = Path(self.folder)
        generate(
            folder=folder,
            process=self.process,
            pileup=self.pileup,
            n_events=self.n_events,
            seed=self.seed,
            n_minbias=self.n_minbias,
            events_per_file=self.events_per_file,
            count_once=self.count_once,
        )
        for split, asked in self.n_events.items():
            files = folder.glob(f"{split}-*.parquet")
            found = sum(pq.read_metadata(path).num_rows for path in files)
            if found != asked:
                raise ValueError(
                    f"{folder} holds {found} {split} events, data.source.n_events.{split} asks "
                    f"{asked}: choose another data.source.folder or delete the old files"
                )
