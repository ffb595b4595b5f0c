"""What Hydra can discover: the sweeper `optuna_async`, the launchers `hpo_local` and `hpo_slurm`.

Hydra imports this module whenever any application starts, so the rest is imported when needed.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

import hpo
from hpo.hydra_internals import JobReturn
from hpo.launch.slurm.options import SlurmOptions
from hpo.settings import (
    LocalOptions,
    SettingError,
    SweepError,
    SweepSettings,
    told_by_typed_keys,
    typed_key,
)


class _Deferred:
    """Keeps its options and what Hydra hands over until there is work to do."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what the work needs."""
        self._context, self._function, self._whole_config = hydra_context, task_function, config

    def _payload(self) -> Any:
        from hpo.launch.payload import Payload

        return Payload(self._context, self._whole_config, self._function)


class OptunaAsyncSweeper(_Deferred, Sweeper):
    """Asynchronous, pruned, resumable Optuna sweeps; see `hpo.sweep.sweep`."""

    def sweep(self, arguments: list[str]) -> None:
        """Run the sweep of these command-line overrides."""
        from hpo.sweep.place import settle
        from hpo.sweep.sweep import sweep

        options = dict(self._options)
        options |= settle(self._whole_config)
        n_jobs = options.pop("n_jobs", None)
        if options.get("n_workers") is None:
            options["n_workers"] = n_jobs
        with told_by_typed_keys(self._whole_config, "hydra.sweeper"):
            settings = SweepSettings(**options)
        sweep(settings, self._payload(), arguments)


class LocalLauncher(_Deferred, Launcher):
    """Jobs as processes of this machine; see `hpo.launch.local`."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs; return when all have ended."""
        from hpo.launch.local import launch

        with self._told():
            options = LocalOptions(**self._options)
            return launch(options, self._payload(), job_overrides, initial_job_idx)

    def n_workers(self, wanted: int | None) -> int:
        """Return how many workers a sweep has; `wanted`, if given, must fit the GPUs."""
        from hpo.launch.local import n_workers

        with self._told():
            return n_workers(LocalOptions(**self._options), wanted)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Name the launcher's settings, and the one of the sweeper, as the user does."""
        try:
            yield
        except SettingError as error:
            own = {each.name for each in fields(LocalOptions)}
            section = {True: "hydra.launcher", False: "hydra.sweeper"}
            config = self._whole_config
            text = error.naming(lambda name: typed_key(config, section[name in own], name))
            raise SweepError(text) from error


class SlurmLauncher(_Deferred, Launcher):
    """Jobs as one SLURM job array; see `hpo.launch.slurm`."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Submit the jobs of a plain multirun; return when all have ended."""
        from hpo.launch.slurm.launcher import launch

        return launch(self.site(), self._payload(), job_overrides, initial_job_idx)

    def site(self) -> Any:
        """Return the site, for a sweeper that does not wait for its jobs."""
        from hpo.launch.slurm.site import Slurm

        with told_by_typed_keys(self._whole_config, "hydra.launcher"):
            return Slurm(SlurmOptions(**self._options))


@dataclass
class OptunaAsyncConf(SweepSettings):
    """`hydra/sweeper: optuna_async`."""

    _target_: str = "hydra_plugins.hpo_sweeper.OptunaAsyncSweeper"
    _recursive_: bool = False  # samplers and pruners are built by each worker
    _convert_: str = "all"
    study_name: Any = "${hydra.job.name}"
    n_jobs: int | None = None  # hydra-optuna-sweeper's name of n_workers


@dataclass
class LocalConf(LocalOptions):
    """`hydra/launcher: hpo_local`."""

    _target_: str = "hydra_plugins.hpo_sweeper.LocalLauncher"


@dataclass
class SlurmConf(SlurmOptions):
    """`hydra/launcher: hpo_slurm`."""

    _target_: str = "hydra_plugins.hpo_sweeper.SlurmLauncher"
    _convert_: str = "all"


_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is faster; optional


def _options_of(group: str) -> dict[str, dict[str, Any]]:
    files = sorted(Path(hpo.__file__).parent.glob(f"conf/{group}/*.yaml"))
    return {file.stem: yaml.load(file.read_text(), _SafeLoader) for file in files}


_SAMPLERS, _PRUNERS = _options_of("sampler"), _options_of("pruner")


def _register() -> None:
    store = ConfigStore.instance()
    # Package `hydra`, because the sweep folder must not depend on the date: the next command finds
    # the study there.
    sweeper = {
        "defaults": [
            "_self_",
            {"sampler@sweeper.sampler": "diverse_tpe"},
            {"pruner@sweeper.pruner": "asha"},
        ],
        "sweeper": OptunaAsyncConf,
        "sweep": {"dir": "outputs/sweeps/${hydra.sweeper.study_name}"},
    }
    store.store(
        group="hydra/sweeper", name="optuna_async", node=sweeper, package="hydra", provider="hpo"
    )
    store.store(group="hydra/launcher", name="hpo_local", node=LocalConf, provider="hpo")
    store.store(group="hydra/launcher", name="hpo_slurm", node=SlurmConf, provider="hpo")
    for kind, nodes in (("sampler", _SAMPLERS), ("pruner", _PRUNERS)):
        for name, node in nodes.items():
            store.store(group=f"hydra/sweeper/{kind}", name=name, node=node, provider="hpo")


_register()
