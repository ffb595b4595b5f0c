"""A small set of events on disk, configurations that train on it in a second or two; servers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.version import VersionBase
from omegaconf import DictConfig

from mlpf.config import config_dir
from testbed.packages import Unavailable
from testbed.postgres import PostgresServer
from testbed.redis import RedisServer
from testbed.slurm import SlurmCluster

if TYPE_CHECKING:
    from mlpf.data.events import Events

Server = TypeVar("Server")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests of minutes, so that at the end no process works on them alone."""
    items.sort(key=lambda item: item.path.name not in ("test_readme.py", "test_examples.py"))


@pytest.fixture(autouse=True)
def version_base(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test composes with leaves no compatibility version of Hydra behind."""
    base = VersionBase.instance()
    monkeypatch.setattr(base, "version_base", base.version_base)
    GlobalHydra.instance().clear()  # a command that ended with SystemExit has not done it


@pytest.fixture(autouse=True, scope="session")
def hydra_keeps_its_store() -> Iterator[None]:
    """Hydra copies what plug-ins have stored for each composition: 15 % of its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConfigStore, "__deepcopy__", lambda self, memo: self, raising=False)
        yield


@pytest.fixture(autouse=True, scope="session")
def signals_as_in_a_terminal() -> None:
    """Under `nohup`, or in the background of a script, SIGHUP or SIGINT are ignored.

    Processes inherit that, so the commands that tests start and interrupt would not end. A handler
    is not inherited, and leaves this process as deaf to SIGHUP as before.
    """
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def random_events(n_events: int, seed: int) -> Events:
    """Events of 5 to 15 elements whose true class follows from their features."""
    from mlpf.data.events import from_arrays  # hpo is tested without the packages of MLPF too

    rng = np.random.default_rng(seed)
    x, y = [], []
    for n in rng.integers(5, 15, n_events):
        kind = rng.integers(1, 3, n).astype(float)
        pt, eta, phi = rng.exponential(5, n) + 1, rng.uniform(-2, 2, n), rng.uniform(-3, 3, n)
        energy = pt * np.cosh(eta)
        face = np.stack([eta, np.sin(phi), np.cos(phi)], 1)
        inside = np.where(kind[:, None] == 2, face, np.stack([energy, 0 * eta, 0 * eta], 1))
        x.append(np.column_stack([kind, pt, face, energy, inside, np.zeros((n, 3))]))
        pid = np.where(kind == 2, 1, np.where(pt > 4, 2, 0))
        y.append(np.column_stack([pid, kind - 1, pt, face, energy]) * (pid > 0)[:, None])
    return from_arrays(x, y, y)


@pytest.fixture(scope="session")
def events_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `train.parquet` (24 events), `val.parquet` and `test.parquet` (8 each)."""
    from mlpf.data.files import write_events

    folder = tmp_path_factory.mktemp("events")
    for seed, (split, n_events) in enumerate({"train": 24, "val": 8, "test": 8}.items()):
        write_events(random_events(n_events, seed), folder / f"{split}.parquet", {})
    return folder


@pytest.fixture(scope="session")
def tiny(events_folder: Path) -> list[str]:
    """Overrides for a training of a second on `events_folder`."""
    return [
        "data=delphes",
        f"data.folder={events_folder}",
        "data.train=[train.parquet]",
        "data.val=[val.parquet]",
        "data.test=[test.parquet]",
        "data.max_elements_per_batch=60",
        "model.bin_size=8",
        "model.output_dim=8",
        "model.distance_dim=4",
        "model.ffn_dist_hidden_dim=8",
        "model.num_graph_layers_id=1",
        "model.num_graph_layers_reg=1",
        "model.decoder_width=8",
        "optimizer.lr=1e-2",
        "trainer=cpu",
        "trainer.threads=1",
        "trainer.max_epochs=2",
        "logger=none",
        "physics.max_events=0",  # its packages take time to import; test_physics.py
    ]


@pytest.fixture(scope="session")
def compose_tiny(tiny: list[str]) -> Callable[..., DictConfig]:
    """A function: further overrides -> the whole composed configuration."""

    def composed(*overrides: str) -> DictConfig:
        with initialize_config_dir(config_dir(), version_base="1.3"):
            return compose("train", overrides=[*tiny, *overrides])

    return composed


def available(make: Callable[[], Server]) -> Server:
    """What `make` returns; where its programs cannot be had, skip, but fail in CI."""
    try:
        return make()
    except Unavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NOT TESTED: {error}")


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """A SLURM cluster of four nodes with 96 CPUs and 4 GPUs each, n0 to n3."""
    folder = tmp_path_factory.mktemp("slurm")
    with available(lambda: SlurmCluster(folder)) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL server; a test that stops it starts it again."""
    folder = tmp_path_factory.mktemp("postgres") / "server"
    with available(lambda: PostgresServer(folder)) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis server; a test that stops it starts it again."""
    folder = tmp_path_factory.mktemp("redis") / "server"
    with available(lambda: RedisServer(folder)) as server:
        yield server


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Waits for a condition, with a generous limit."""

    def wait(condition, limit_s=60):
        deadline = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.05)

    return wait
