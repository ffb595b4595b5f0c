"""The only module that uses Hydra beyond its documented interface.

`tests/hpo/test_hydra_internals.py` says what is missing after an upgrade.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from hydra import utils
from hydra._internal import config_loader_impl
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core import utils as core_utils
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    OverrideType,
    Quote,
    QuotedString,
    RangeSweep,
    Sweep,
    Transformer,
    ValueType,
)
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, run_job, setup_globals
from hydra.errors import InstantiationException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf

from commons import config_files

# What other modules import from here although it is defined by Hydra.
__all__ = ["ConfigLoader", "JobReturn", "OverridesParser", "configure_log"]
__all__ += [
    "ChoiceSweep",
    "IntervalSweep",
    "Override",
    "Quote",
    "QuotedString",
    "RangeSweep",
    "Sweep",
    "Transformer",
]

_CHECK = "_ensure_sweep_config_controller_unchanged"
# Hydra 1.4 warns of each `_target_` unless its checks are switched off: here any class is allowed.
_UNSAFE = "UNSAFE_DISABLE_EXECUTION_CHECKS"
_trusted = {"_execution_whitelist_": getattr(utils, _UNSAFE)} if hasattr(utils, _UNSAFE) else {}

# Hydra 1.4 has a resolver instead.
_override_dirname = getattr(config_loader_impl, "get_overrides_dirname", None)


def instantiate(node: Any, **options: Any) -> Any:
    """Return what a `_target_` node describes.

    Raises:
        InstantiationException: from whatever the target raised; Hydra 1.4 would not wrap that.
    """
    try:
        return utils.instantiate(node, **_trusted, **options)
    except InstantiationException:
        raise
    except Exception as error:
        raise InstantiationException(str(error)) from error


def compose(loader: ConfigLoader, name: str | None, overrides: list[str]) -> DictConfig:
    """Return what a command with these overrides composes; sweeps among them are left out."""
    return loader.load_configuration(name, overrides, RunMode.MULTIRUN, from_shell=False)


def compose_job(loader: ConfigLoader, config: DictConfig, overrides: list[str]) -> DictConfig:
    """Return the configuration of a job; `config` is that of the sweep.

    Hydra 1.4 refuses a `hydra.sweeper` other than that of the files. The sweep has changed its
    own: its name, folder and parts are settled, its secrets taken out.
    """
    if hasattr(ConfigLoaderImpl, _CHECK):
        setattr(ConfigLoaderImpl, _CHECK, staticmethod(lambda **_: None))
    return loader.load_sweep_config(config, overrides)


def plain_key(line: str) -> str | None:
    """Return the key of an override that only sets it; None: it does more, or is Hydra's own."""
    override = _parsed(line)
    does_more = override.type != OverrideType.CHANGE or override.package is not None
    if does_more or override.is_sweep_override() or override.is_hydra_override():
        return None
    return override.key_or_group


def group_options(
    loader: ConfigLoader, name: str, kind: ObjectType | None = ObjectType.CONFIG
) -> list[str]:
    """Return the options of a config group; `kind` None: and the groups inside."""
    options: list[str] = _repository(loader).get_group_options(name, kind)
    return options


@lru_cache(maxsize=1)
def _repository(loader: Any) -> Any:
    """Return what knows the groups; Hydra would make it anew, in 10 ms, for each question."""
    return loader._parse_overrides_and_create_caching_repo(None, [])[1]


def plain_option(loader: ConfigLoader, group: str, name: str) -> Any:
    """Return an option of a group as it is written; None: other configurations belong to it."""
    found = _repository(loader).load_config(f"{group.partition('@')[0]}/{name}")
    if found is None or found.defaults_list or found.header.get("package"):
        return None
    return OmegaConf.to_container(found.config)


def is_group(loader: ConfigLoader, name: str) -> bool:
    """Tell whether a name is one of the application's config groups."""
    return bool(group_options(loader, name, None))


def set_keys(config: DictConfig, lines: list[str]) -> None:
    """Set keys in a composed configuration, and note it there, as Hydra does when it composes."""
    overrides = [*map(_parsed, lines)]
    ConfigLoaderImpl._apply_overrides_to_config(overrides, config)
    given, job = config.hydra.overrides, config.hydra.job
    for override in overrides:
        (given.hydra if override.is_hydra_override() else given.task).append(override.input_line)
    if _override_dirname is not None:
        plain: Any = OmegaConf.to_container(given.task, resolve=False)
        told = [*map(_parsed, plain)]
        job.override_dirname = _override_dirname(told, **job.config.override_dirname)


_WORD, _INTEGER = r"[A-Za-z_]\w*", r"-?(?:0|[1-9]\d*)"
_PLAIN = re.compile(
    rf"(?P<key>{_WORD}(?:\.{_WORD})*)=(?:(?P<integer>{_INTEGER})|(?P<truth>true|false)"
    rf"|(?P<real>{_INTEGER}(?:\.\d+)?(?:e[+-]?\d+)?)|(?P<text>(?!(?i:null|true|false|inf|nan)$){_WORD}))",
    re.ASCII,
)
_READ: dict[str | None, Callable[[str], Any]] = {
    "integer": int,
    "truth": "true".__eq__,
    "real": float,
    "text": str,
}


@lru_cache(maxsize=256)
def _parsed(line: str) -> Override:
    """Return an override as Hydra reads it, whose parser takes milliseconds for a number."""
    plain = _PLAIN.fullmatch(line)
    if plain is None:
        return OverridesParser.create().parse_override(line)
    kind = plain.lastgroup
    value = _READ[kind](plain[str(kind)])
    key = plain["key"]
    return Override(OverrideType.CHANGE, key, ValueType.ELEMENT, value, input_line=line)


def make_parser(loader: ConfigLoader | None = None) -> OverridesParser:
    """Return a parser of overrides. It takes null in `choice(...)`, as Hydra does in `null,a`."""
    parser = OverridesParser.create(config_loader=loader)
    known = parser.functions.definitions["choice"]
    arguments = [a.replace(annotation=a.annotation | None) for a in known.parameters.values()]
    parser.functions.definitions["choice"] = known.replace(parameters=arguments)
    return parser


def plain_values(config: DictConfig, *, without: str) -> dict[str, Any]:
    """Return a configuration as plain values without one of its nodes; nothing is resolved."""
    nodes: dict[str, Any] = {str(k): config._get_node(k) for k in config if k != without}
    return {
        key: OmegaConf.to_container(node) if OmegaConf.is_config(node) else node._value()
        for key, node in nodes.items()
    }


def global_state() -> Any:
    """Return Hydra's global state, to be sent to another process."""
    return Singleton.get_state()


def restore_global_state(state: Any) -> None:
    """Make this process one of Hydra's."""
    Singleton.set_state(state)
    setup_globals()


@contextmanager
def marked_dates(mark: str) -> Iterator[None]:
    """Let `${now:...}` in a configuration be a mark instead of a date or a time of day."""
    OmegaConf.register_new_resolver("now", lambda _: mark, replace=True)
    try:
        yield
    finally:
        setup_globals()


def make_launcher(context: HydraContext, config: DictConfig, function: TaskFunction) -> Launcher:
    """Return the launcher of a configuration."""
    return Plugins.instance().instantiate_launcher(
        hydra_context=context, task_function=function, config=config
    )


def in_turn(context: HydraContext, config: DictConfig, function: TaskFunction) -> Launcher:
    """Return Hydra's basic launcher, whatever launcher the configuration has."""
    from hydra._internal.core_plugins.basic_launcher import BasicLauncher

    launcher = BasicLauncher()
    launcher.setup(hydra_context=context, task_function=function, config=config)
    return launcher


def runs_in_turn(launcher: Launcher) -> bool:
    """Tell whether a launcher runs jobs one after another in this process: Hydra's basic one."""
    # Not at the top: Hydra loads its plug-ins anew when it looks for them.
    from hydra._internal.core_plugins.basic_launcher import BasicLauncher

    return isinstance(launcher, BasicLauncher)


def without_callbacks(context: HydraContext) -> HydraContext:
    """Return the context for jobs of which the application's callbacks should not hear."""
    return HydraContext(config_loader=context.config_loader, callbacks=Callbacks())


def start_launcher(config: DictConfig) -> None:
    """Do what Hydra expects of a launcher before its first job."""
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)


def run(
    context: HydraContext, config: DictConfig, function: TaskFunction, *, log: bool = True
) -> JobReturn:
    """Run a task function in the folder that the configuration of its job names.

    With `log`, the job configures logging.
    """
    with _without_repeated_copies():
        return run_job(
            hydra_context=context,
            task_function=function,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            configure_logging=log,
        )


@contextmanager
def _without_repeated_copies() -> Iterator[None]:
    """Let `run_job` copy what the task may change, and write its files by libyaml.

    By itself it copies the node `hydra`, which is read-only then, five times.
    """
    place: Any = core_utils
    show, save = HydraConfig.set_config, place._save_config
    HydraConfig.set_config = _show  # type: ignore[method-assign]
    place.copy = SimpleNamespace(deepcopy=_copied)
    if config_files.is_needed():
        place._save_config = config_files.save
    try:
        yield
    finally:
        HydraConfig.set_config = show  # type: ignore[method-assign]
        place.copy, place._save_config = copy, save


def _show(self: HydraConfig, cfg: DictConfig) -> None:
    """Do as `HydraConfig.set_config` without a copy of the node."""
    OmegaConf.set_readonly(cfg.hydra, True)
    shown = DictConfig({}, flags={"no_deepcopy_set_nodes": True})
    shown.hydra = cfg.hydra
    cfg.hydra._set_parent(cfg)  # its interpolations may refer to the application's keys
    self.cfg = shown  # type: ignore[assignment]


def _copied(config: DictConfig) -> DictConfig:
    """Return a deep copy that shares the node `hydra`."""
    node = config.get("hydra")
    return copy.deepcopy(config, {id(node): node})


def resolved_log(config: DictConfig | None) -> Any:
    """Return how to log, for `configure_log`, without anything that must be resolved again."""
    if config is None:
        return None
    return OmegaConf.create(OmegaConf.to_container(config, resolve=True))


def failed(reason: str) -> JobReturn:
    """Return the result of a job that did not end by itself."""
    result = JobReturn(status=JobStatus.FAILED)
    result.return_value = RuntimeError(reason)
    return result


def error_of(result: JobReturn) -> Any:
    """Return the exception of a failed job, else None; `return_value` would print and raise."""
    return result._return_value if result.status == JobStatus.FAILED else None
