"""What Hydra can discover: the sweeper `optuna_async`, the launchers `hpo_local` and `hpo_slurm`.

Hydra imports this module whenever any application starts, so the rest is imported when needed.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import yaml
from hydra.core.config_store import ConfigStore
from hydra.experimental.callback import Callback
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, InterpolationResolutionError

import hpo
from commons.cli import end
from commons.optuna_start import import_optuna
from commons.processes import end_at_once, uncollected
from hpo.budgets import NAMES
from hpo.hydra_internals import JobReturn
from hpo.launch.options import LocalOptions
from hpo.launch.slurm.options import SlurmOptions
from hpo.settings import (
    SettingError,
    SweepError,
    SweepSettings,
    settings_of,
    told_by_typed_keys,
    typed_key,
)

P = ParamSpec("P")
R = TypeVar("R")


def _ended_in_one_line(method: Callable[P, R]) -> Callable[P, R]:
    """Let a mistake of the user end the command: Hydra itself knows the exit code 1 alone."""

    @wraps(method)
    def ended(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return method(*arguments, **options)
        except SweepError as error:
            sys.exit(end(str(error), error.code))

    return ended


class SettingsCheck(Callback):
    """Tells which setting of the sweeper cannot be read, before Hydra builds it with a traceback.

    Registered with the sweeper, which Hydra gives the values alone.
    """

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Read each setting; end the command at one that has no value."""
        sweeper = config.hydra.sweeper
        for name in sweeper:
            try:
                value = None if OmegaConf.is_missing(sweeper, name) else sweeper[name]
                if OmegaConf.is_config(value):
                    OmegaConf.to_container(value, resolve=True)
            except InterpolationResolutionError as error:
                # The key that an interpolation looks for in vain is not the application's.
                is_lost = isinstance(error, InterpolationKeyError)
                key = f"hydra.sweeper.{name}"
                key = key if is_lost else typed_key(config, "hydra.sweeper", str(name))
                text = str(error).splitlines()[0]
                sys.exit(end(f"{key}: {text}", 2))  # Hydra would warn of another exception


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

    @_ended_in_one_line
    def sweep(self, arguments: list[str]) -> None:
        """Run the sweep of these command-line overrides."""
        end_at_once()
        with self._forks_begun():
            self._sweep(arguments)

    def _forks_begun(self) -> AbstractContextManager[None]:
        node, folder = (self._found(f"hydra.{key}") for key in ("launcher", "sweep.dir"))
        is_alone = self._options.get("join") or self._options.get("n_workers") == 1
        if is_alone or node is None or node.get("_target_") != LOCAL._target_:
            return nullcontext()
        if folder is not None and Path(str(folder), "summary.json").is_file():
            return nullcontext()  # perhaps there is nothing left to do
        from hpo.launch.local import forks_begun

        return forks_begun(self._found("hydra.launcher.threads_per_worker"), self._function)

    def _found(self, key: str) -> Any:
        """Return a value; None: it cannot be resolved, which is told later."""
        return OmegaConf.select(self._whole_config, key, throw_on_resolution_failure=False)

    def _sweep(self, arguments: list[str]) -> None:
        with uncollected():
            import_optuna()
            from hpo.sweep.sweep import sweep

            settings = self._settings()
        sweep(settings, self._payload(), arguments)

    def _settings(self) -> SweepSettings:
        from hpo.sweep.parts import replace_parts
        from hpo.sweep.place import settle

        options = dict(self._options)
        with told_by_typed_keys(self._whole_config, "hydra.sweeper"):
            options |= replace_parts(self._whole_config, self._context)
            options |= settle(self._whole_config)
        n_jobs, old_space = options.pop("n_jobs", None), options.pop("search_space", None)
        if options.get("n_workers") is None:
            options["n_workers"] = n_jobs
        if old_space:
            options["params"] = {**old_space, **(options.get("params") or {})}
        with told_by_typed_keys(self._whole_config, "hydra.sweeper"):
            return settings_of(SweepSettings, options)


class LocalLauncher(_Deferred, Launcher):
    """Jobs as processes of this machine; see `hpo.launch.local`."""

    @_ended_in_one_line
    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the jobs; return when all have ended."""
        from hpo.launch.local import launch

        with self._told():
            return launch(self.check(), self._payload(), job_overrides, initial_job_idx)

    def check(self) -> LocalOptions:
        """Return the checked settings.

        Raises:
            SweepError: one of them cannot work.
        """
        with told_by_typed_keys(self._whole_config, "hydra.launcher"):
            return settings_of(LocalOptions, self._options)

    def n_workers(self, wanted: int | None) -> int:
        """Return how many workers a sweep has; `wanted`, if given, must fit the GPUs."""
        from hpo.launch.local import n_workers

        with self._told():
            return n_workers(self.check(), wanted)

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

    @_ended_in_one_line
    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Submit the jobs of a plain multirun; return when all have ended."""
        from hpo.launch.slurm.launcher import launch

        return launch(self.check(), self._payload(), job_overrides, initial_job_idx)

    def check(self) -> Any:
        """Return the site, for a sweeper that does not wait for its jobs.

        Raises:
            SweepError: a setting cannot work, or there is no SLURM here.
        """
        from hpo.launch.slurm.site import Slurm

        with told_by_typed_keys(self._whole_config, "hydra.launcher"):
            return Slurm(settings_of(SlurmOptions, self._options)).checked()


def _node(kind: type[Any], plugin: type[Any], **more: Any) -> DictConfig:
    """Return the node of a plug-in, with the defaults of its settings.

    It has no types and takes any key: a mistake is then told by the plug-in, which knows the keys
    that its user types, and not by Hydra while it composes.
    """
    defaults: Any = OmegaConf.to_container(OmegaConf.structured(kind), resolve=False)
    target = {"_target_": f"{__name__}.{plugin.__name__}", "_convert_": "all"}
    return OmegaConf.create({**target, **defaults, **more}, flags={"struct": False})


SWEEPER = _node(
    SweepSettings,
    OptunaAsyncSweeper,
    _recursive_=False,  # samplers and pruners are built by each worker
    study_name="${hydra.job.name}",
    budget=dict.fromkeys(NAMES),
    n_jobs=None,  # hydra-optuna-sweeper's name of n_workers
)
LOCAL = _node(LocalOptions, LocalLauncher)
SLURM = _node(SlurmOptions, SlurmLauncher)

_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is faster; optional


def _options_of(group: str) -> dict[str, dict[str, Any]]:
    files = sorted(Path(hpo.__file__).parent.glob(f"conf/{group}/*.yaml"))
    return {file.stem: yaml.load(file.read_text(), _SafeLoader) for file in files}


_SAMPLERS, _PRUNERS = map(_options_of, ("sampler", "pruner"))


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
        "sweeper": SWEEPER,
        "callbacks": {"hpo_settings": {"_target_": f"{__name__}.SettingsCheck"}},
        "sweep": {"dir": "outputs/sweeps/${hydra.sweeper.study_name}"},
    }
    store.store(
        group="hydra/sweeper", name="optuna_async", node=sweeper, package="hydra", provider="hpo"
    )
    store.store(group="hydra/launcher", name="hpo_local", node=LOCAL, provider="hpo")
    store.store(group="hydra/launcher", name="hpo_slurm", node=SLURM, provider="hpo")
    for kind, nodes in (("sampler", _SAMPLERS), ("pruner", _PRUNERS)):
        for name, node in nodes.items():
            store.store(group=f"hydra/sweeper/{kind}", name=name, node=node, provider="hpo")


_register()
