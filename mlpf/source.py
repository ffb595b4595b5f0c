"""Where events come from when they are not there yet."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from mlpf.events import read_provenance
from mlpf.files import locked

_log = logging.getLogger(__name__)
SPLITS: Final = ("train", "val", "test")
# Pythia seeds of the splits lie this far apart, so that none shares an event or a pile-up pool.
_SEED_STEP: Final = 1_000_000


@dataclass(frozen=True)
class PythiaSource:
    """Events of `mlpf.generate`, made on first use: `<folder>/train/*.parquet` and so on.

    Args:
        process: "ttbar" or "qcd".
        pileup: mean number of pile-up interactions, at least 0.
        n_events: number of events of each split, keys `train`, `val` and `test`.
        seed: at least 1; the splits use seeds of their own, derived from it.
        n_minbias: size of the pool that pile-up is drawn from, one pool per split.
        events_per_file: largest number of events of a file, at least 1.
    """

    process: str
    pileup: int
    n_events: Mapping[str, int]
    seed: int
    n_minbias: int
    events_per_file: int

    def __post_init__(self) -> None:
        if set(self.n_events) != set(SPLITS):
            raise ValueError(
                f"data.source.n_events needs the keys {SPLITS}, got {list(self.n_events)}"
            )

    def prepare(self, folder: Path) -> None:
        """Make the events in `folder` if they are not there; others that want them wait.

        Raises:
            ValueError: `folder` holds events of other settings.
            OSError: the file system has no locks.
        """
        manifest = folder / "source.json"
        settings = json.loads(json.dumps(asdict(self), default=dict))
        with locked(folder / ".lock"):
            if not manifest.is_file():  # nothing there, or a generation that was interrupted
                self._generate(folder)
                _write_text(manifest, json.dumps(settings, indent=2))
            _require_equal(folder, json.loads(manifest.read_text()), settings)
        self._check_files(folder)

    def _generate(self, folder: Path) -> None:
        from mlpf.generate import generate  # Pythia is needed only here, and GPL

        for split, seed in self._seeds().items():
            if self.n_events[split] > 0:
                _log.info("making %d %s events in %s", self.n_events[split], split, folder)
                generate(
                    folder=folder / split,
                    process=self.process,
                    pileup=self.pileup,
                    n_events=self.n_events[split],
                    seed=seed,
                    n_minbias=self.n_minbias,
                    events_per_file=self.events_per_file,
                )

    def _seeds(self) -> dict[str, int]:
        return {split: self.seed + _SEED_STEP * i for i, split in enumerate(SPLITS)}

    def _check_files(self, folder: Path) -> None:
        """Compare what the files say of themselves with the settings."""
        for split, seed in self._seeds().items():
            paths = sorted((folder / split).glob("*.parquet"))
            expected = {"process": self.process, "pileup": self.pileup, "seed": seed}
            for path in paths:
                provenance = read_provenance(path)
                _require_equal(path, {key: provenance.get(key) for key in expected}, expected)
            n_events = sum(pq.read_metadata(path).num_rows for path in paths)
            _require_equal(
                folder / split, {"n_events": n_events}, {"n_events": self.n_events[split]}
            )


def _require_equal(where: Path, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    differing = [key for key in expected if found.get(key) != expected[key]]
    if differing:
        has = ", ".join(f"{key}={found.get(key)}" for key in differing)
        wants = ", ".join(f"{key}={expected[key]}" for key in differing)
        raise ValueError(
            f"{where} holds events with {has}, data.source asks {wants}; "
            "choose another data.folder, or delete this one"
        )


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    partial.rename(path)
