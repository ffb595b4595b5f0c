"""What is evaluated: networks, and the files of events with a known truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn
from yaml import YAMLError

from commons.cli import did_you_mean
from mlpf.config import ConfigError, build
from mlpf.data.datamodule import EventDataModule
from mlpf.data.events import Events
from mlpf.data.matching import matching_files
from mlpf.data.portions import EventReader
from mlpf.data.selection import Selection
from mlpf.network.saved import CONFIG, load_network
from mlpf.schema import SPLITS

_ANY_SPLIT: Final = "*.parquet"


@dataclass(frozen=True)
class EventFiles:
    """Files of events, read in portions.

    Args:
        readers: of the files, in their order.
        selection: cuts on elements and events.
        max_events: only the first ones after the cuts; None for all.
    """

    readers: Sequence[EventReader]
    selection: Selection = field(default_factory=Selection)
    max_events: int | None = None

    @property
    def n_events(self) -> int:
        """Upper bound of their number."""
        n_rows = sum(int(reader.metadata.num_rows) for reader in self.readers)
        return n_rows if self.max_events is None else min(n_rows, self.max_events)

    def has(self, group: str) -> bool:
        """Tell whether all files have the columns `ygen`, `ycand` or `gen`."""
        return all(group in reader.groups for reader in self.readers)

    def portions(self) -> Iterator[Events]:
        """Yield all events; the memory is that of some 100,000 elements.

        Raises:
            ConfigError: a value in a file is impossible.
        """
        left = self.n_events
        for reader in self.readers:
            with _as_config_error("files"):
                for _, events in reader.portions(None):
                    chosen = self.selection.apply(events)
                    yield chosen.take(range(min(left, len(chosen))))
                    left -= len(chosen)
                    if left <= 0:
                        return


def networks(run: Any, model: Any) -> dict[str, nn.Module]:
    """Return the networks of `run=DIR`, `run=[A,B]` or `model=FILE` by a short name.

    Raises:
        ConfigError: none or both are given, or one is no trained network.
    """
    if (run is None) == (model is None):
        raise ConfigError("run=DIR or model=FILE is needed, one of them")
    paths = [model] if run is None else run if isinstance(run, Sequence) else [run]
    paths = [paths] if isinstance(paths, str) else list(paths)
    if not paths:
        raise ConfigError("run names no folder")
    for path in paths if model is None else ():
        if not (Path(path) / CONFIG).is_file():
            raise ConfigError(f"run={path}: no {CONFIG} in it; not the folder of a training")
    if str(model).endswith(".onnx"):
        raise ConfigError(f"model={model}: an ONNX file; give the run or its weight file")
    names = [Path(str(path)).name or str(path) for path in paths]
    if len(set(names)) < len(names):
        names = [f"{i}" for i in range(1, len(paths) + 1)]
    return {name: load_network(path) for name, path in zip(names, paths, strict=True)}


def event_files(cfg: DictConfig) -> EventFiles:
    """Return the events that the keys `run`, `data`, `split`, `files` and `max_events` choose.

    Raises:
        ConfigError: a key is wrong, nothing matches, or the files have no truth or no event.
    """
    if cfg.split not in SPLITS:
        near = did_you_mean(str(cfg.split), SPLITS)
        raise ConfigError(f"split={cfg.split}: no such split{near} (there are: train, val, test)")
    if cfg.max_events is not None and not (isinstance(cfg.max_events, int) and cfg.max_events > 0):
        raise ConfigError(f"max_events must be an integer >= 1 or null, got {cfg.max_events}")
    if cfg.files is not None:
        paths, selection, limit = matching_files("files", cfg.files), Selection(), None
    else:
        paths, selection, limit = _of_split(cfg)
    limits = [n for n in (limit, cfg.max_events) if n is not None]
    with _as_config_error("files"):
        readers = [EventReader.open(path, generator=True) for path in paths]
    files = EventFiles(readers, selection, min(limits, default=None))
    for reader in readers:
        if "ygen" not in reader.groups:
            raise ConfigError(
                f"{reader.path}: no truth in it (columns ygen_*), so there is nothing to compare "
                "with; mlpf.reconstruct needs none"
            )
    if files.n_events == 0:
        raise ConfigError(f"no events in {', '.join(str(path) for path in paths)}")
    return files


def _of_split(cfg: DictConfig) -> tuple[list[Path], Selection, int | None]:
    first = cfg.run if cfg.run is None or isinstance(cfg.run, str) else cfg.run[0]
    folder, split = cfg.data.folder, cfg.split
    if first is None:
        if folder is None:
            raise ConfigError("data.folder=DIR or files=[GLOB,...] is needed: which events?")
        return (
            matching_files("data.folder", [str(Path(str(folder)) / f"{split}{_ANY_SPLIT}")]),
            Selection(),
            None,
        )
    data = _data_of(Path(str(first)), folder)
    try:
        paths = data.files()[split]
    except ValueError as error:
        raise ConfigError(f"data: {error}") from error
    if not paths:
        patterns = ", ".join(data.patterns[split]) or "nothing"
        raise ConfigError(
            f"data.folder: no file of the split {split} ({patterns}) in {data.folder}; "
            "give data.folder=DIR or files=[GLOB,...]"
        )
    return paths, data.selection, data.max_events[split]


def _data_of(run: Path, folder: Any) -> EventDataModule:
    """Return the data module of a run, without its source: no event is made."""
    config = run / CONFIG
    try:
        cfg = OmegaConf.load(config)
        assert isinstance(cfg, DictConfig)
        changes = {"source": None} | ({} if folder is None else {"folder": folder})
        cfg = OmegaConf.create({"data": OmegaConf.merge(cfg.data, changes)})
    except (AssertionError, OSError, ValueError, AttributeError, YAMLError) as error:
        raise ConfigError(f"{config}: not the configuration of a training") from error
    except OmegaConfBaseException as error:
        raise ConfigError(f"{config}: {str(error).splitlines()[0]}") from error
    data = build(cfg, "data")
    if not isinstance(data, EventDataModule):
        raise ConfigError(f"{config}: its data are no event files; give files=[GLOB,...]")
    return data


@contextmanager
def _as_config_error(key: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError) as error:
        raise ConfigError(f"{key}: {error}") from error
