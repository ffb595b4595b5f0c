"""Events for training: selected, split by file, and served in batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from glob import glob
from pathlib import Path
from typing import Any, Protocol

import pytorch_lightning as pl
import torch

from mlpf.config import ConfigError, FileWriteError, check_at_least
from mlpf.data.batch import Batch
from mlpf.data.copies import Chosen, open_events
from mlpf.data.loader import BatchLoader, BatchSampler
from mlpf.data.mapped import MappedEvents
from mlpf.data.selection import Selection
from mlpf.schema import SPLITS

_CHECKED_BYTES = 2**28  # on disk; read in about 2 s


class EventSource(Protocol):
    """Makes the Parquet files of a folder, such as `mlpf.PythiaSource`."""

    def prepare(self) -> None:
        """Make the files that are missing; raise a ValueError or an OSError if that fails."""


class EventDataModule(pl.LightningDataModule):
    """Training, validation and test events of a folder of Parquet files.

    A split is copied once into a file that all processes map into memory (`mlpf.data.copies`).
    Each rank of a distributed training gets its share of the batches, so Lightning's own
    distributed samplers are neither needed nor used.

    Args:
        folder: folder of the Parquet files.
        train: file name patterns (glob) of the training events, relative to `folder` or absolute.
        val: the same for the validation events.
        test: the same for the test events; may be empty.
        max_elements_per_batch: a batch is filled with events up to this number of elements, at
            least 1; a larger event forms a batch by itself.
        selection: cuts on elements and events; None for no cut.
        max_events: use only the first events of a split, keys `train`, `val`, `test`; None for
            all. Counted after the selection.
        source: makes the missing events of `folder`; None if all files exist.
        seed: determines the order of the training events.
        cache_dir: folder of the copies; None for `mapped` beside the events, or one on the disk of
            the node where that cannot be written.

    Raises:
        ValueError: a number is out of range, or `max_events` has an unknown key.

    >>> import tempfile
    >>> import numpy as np
    >>> from mlpf import Events, write_events
    >>> tower = np.array([1, 5, 0, 0, 1, 5, 5, 0, 0, 0, 0, 0])
    >>> x, nothing = np.tile(tower, (5, 1)), np.zeros((5, 7))
    >>> events = Events(x, nothing, nothing, np.array([0, 2, 5]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_events(events, f"{folder}/a.parquet")
    ...     write_events(events, f"{folder}/b.parquet")
    ...     splits = {"train": ["a*"], "val": ["b*"], "test": []}
    ...     data = EventDataModule(folder, **splits, max_elements_per_batch=3)
    ...     [batch.offsets.tolist() for batch in data.val_dataloader()]
    [[0, 2], [0, 3]]
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        train: Sequence[str],
        val: Sequence[str],
        test: Sequence[str],
        max_elements_per_batch: int,
        selection: Selection | None = None,
        max_events: Mapping[str, int | None] | None = None,
        source: EventSource | None = None,
        seed: int = 0,
        cache_dir: str | Path | None = None,
    ) -> None:
        super().__init__()
        check_at_least(1, max_elements_per_batch=max_elements_per_batch)
        check_at_least(0, seed=seed)
        if not isinstance(folder, str | Path):
            raise ValueError(f"folder must be a path, got {folder}")
        if not isinstance(cache_dir, str | Path | None) or cache_dir == "":
            raise ValueError(f"cache_dir must be a path or null, got {cache_dir}")
        self.folder, self.source, self.seed = Path(folder), source, seed
        given = {"train": train, "val": val, "test": test}
        self.patterns = {split: _checked_patterns(split, given[split]) for split in SPLITS}
        self.max_elements_per_batch = max_elements_per_batch
        self.selection = selection or Selection()
        self.max_events = _checked_limits(max_events or {})
        self.cache_dir = None if cache_dir is None else Path(cache_dir)
        self._events: dict[str, MappedEvents] = {}

    def check(self) -> None:
        """Check the files of training and validation; a source makes those that are missing.

        Their events are read and selected, unless that takes more than some seconds.

        Raises:
            ConfigError: a pattern matches no file, a file is in two splits, cannot be read or has
                no truth, or the selection removes everything.
        """
        with _as_config_error():
            found = {
                s: self.files()[s] if self.source else self._found(s) for s in ("train", "val")
            }
            n_bytes = sum(path.stat().st_size for paths in found.values() for path in paths)
            for split, paths in found.items():
                if paths and n_bytes <= _CHECKED_BYTES:
                    deque(self._chosen(split, paths).parts(), maxlen=0)

    def prepare_data(self) -> None:
        """Make the missing events if there is a source; only once if several processes call it.

        Raises:
            ConfigError: the folder holds other events, or they cannot be made.
        """
        if self.source is not None:
            with _as_config_error():
                self.source.prepare()

    def setup(self, stage: str | None = None) -> None:
        """Open the splits that a stage (`fit`, `validate`, `test`; None for all) needs.

        Raises:
            ConfigError: a pattern matches no file, a file is in two splits or unreadable, or the
                selection removes everything.
            FileWriteError: the disk has no room for the copy of a split.
        """
        needed = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",)}
        for split in needed.get(stage or "", SPLITS):
            with _as_config_error():
                self.events(split)

    def events(self, split: str) -> MappedEvents:
        """Return the selected events of a split; the first call opens or makes the copy.

        Raises:
            ValueError: as `setup`.
        """
        if split not in self._events:
            chosen = self._chosen(split, self._found(split))
            self._events[split] = open_events(chosen, self.cache_dir)
        return self._events[split]

    def _chosen(self, split: str, files: Sequence[Path]) -> Chosen:
        return Chosen(split, files, self.selection, self.max_events[split])

    def files(self) -> dict[str, list[Path]]:
        """Return the files of each split, sorted by name.

        Raises:
            ValueError: a file is in two splits.
        """
        owner: dict[Path, str] = {}
        for split, patterns in self.patterns.items():
            for path in {path for pattern in patterns for path in self._matches(pattern)}:
                if path in owner:
                    raise ValueError(f"{path} is in {owner[path]} and in {split}")
                owner[path] = split
        return {split: sorted(p for p in owner if owner[p] == split) for split in SPLITS}

    def fingerprint(self) -> str:
        """Return a short text that differs for other training or validation events."""
        return ", ".join(f"{split} {text}" for split, text in self.state_dict()["events"].items())

    def state_dict(self) -> dict[str, Any]:
        """Return fingerprints of the events, for the checkpoint."""
        return {"events": {split: self.events(split).fingerprint() for split in ("train", "val")}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Compare with the events of the checkpoint; Lightning calls this after `setup`.

        Raises:
            ConfigError: they are others.
        """
        for split, found in self.state_dict()["events"].items():
            if state_dict["events"].get(split) != found:
                raise ConfigError(
                    f"data.{split}: the files in {self.folder} hold other events than those that "
                    "the training in this folder began with; take another folder "
                    "(hydra.run.dir=...) or the old files"
                )

    def train_dataloader(self) -> BatchLoader:
        """Return shuffled batches of the training events; the order changes each epoch."""
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> BatchLoader:
        """Return batches of the validation events in the order of the files."""
        return self._loader("val")

    def test_dataloader(self) -> BatchLoader:
        """Return batches of the test events in the order of the files."""
        return self._loader("test")

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Return the batch on `device`; page-locked memory is copied asynchronously."""
        return batch.to(device, non_blocking=True)

    def _matches(self, pattern: str) -> list[Path]:
        names = glob(pattern, root_dir=self.folder)  # noqa: PTH207 (Path's takes none absolute)
        return [(self.folder / name).resolve() for name in names]

    def _found(self, split: str) -> list[Path]:
        paths = self.files()[split]
        if not self.patterns[split]:
            raise ConfigError(f"data.{split} names no files")
        for pattern in self.patterns[split]:
            if not self._matches(pattern):
                raise ConfigError(f"data.{split} matches no file: {self.folder / pattern}")
        return paths

    def _loader(self, split: str, shuffle: bool = False) -> BatchLoader:
        events, trainer = self.events(split), self.trainer
        with _as_config_error():
            sampler = BatchSampler(
                events.sizes,
                self.max_elements_per_batch,
                shuffle=shuffle,
                seed=self.seed,
                rank=trainer.global_rank if trainer else 0,
                world_size=trainer.world_size if trainer else 1,
            )
        on_gpu = trainer is not None and trainer.strategy.root_device.type == "cuda"
        return BatchLoader(events, sampler, pin_memory=on_gpu)


def _checked_patterns(split: str, patterns: Sequence[str]) -> list[str]:
    if isinstance(patterns, str) or not isinstance(patterns, Sequence):
        raise ValueError(f"{split} must be a list of file name patterns, got {patterns}")
    return [str(pattern) for pattern in patterns]


def _checked_limits(max_events: Mapping[str, int | None]) -> dict[str, int | None]:
    unknown = set(max_events) - set(SPLITS)
    if unknown:
        raise ValueError(f"max_events has keys {SPLITS}, not {sorted(unknown)}")
    for split, limit in max_events.items():
        if limit is not None and not (isinstance(limit, int) and limit >= 1):
            raise ValueError(f"max_events.{split} must be >= 1 or null, got {limit}")
    return {split: max_events.get(split) for split in SPLITS}


@contextmanager
def _as_config_error() -> Iterator[None]:
    try:
        yield
    except FileWriteError:
        raise
    except (ValueError, OSError) as error:
        raise ConfigError(f"data: {error}") from error
