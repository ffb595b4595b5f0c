"""What a command finds out before it creates its study: whether a trial could begin.

It composes configurations of trials as a worker does, builds sampler and pruner and asks them
once, and tries whether the sweep folder can be written. Nothing is left behind.
"""

from __future__ import annotations

import copy
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import optuna
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.pruners import BasePruner
from optuna.study import StudyDirection

from commons.optuna_internals import import_lazy, storage_of, trial_id
from hpo.hydra_internals import group_options, without_callbacks
from hpo.launch.payload import Payload
from hpo.search.objectives import load
from hpo.search.pausing import decide
from hpo.search.pbt import PopulationPruner
from hpo.search.seeded import build, make_sampler
from hpo.search.space import Space
from hpo.settings import SettingError
from hpo.study.study import SweepSpec
from hpo.sweep.crew import application
from hpo.sweep.explain import key_error, option_error, reason, values_at_fault
from hpo.worker.application import Application
from hpo.worker.template import Template, make_template

_log = logging.getLogger(__name__)
_MAX_COMPOSED = 32
# What the application's own check may raise for a mistake of the user; other errors are faults.
_MISTAKES = (ValueError, TypeError, OSError, ImportError, HydraException, OmegaConfBaseException)


def check(spec: SweepSpec, app: Payload, here: bool) -> Template | None:
    """Check everything that a worker will need; return what composes its trials quickly, if any.

    `here`: workers run on this machine, with the variables of this process.

    Raises:
        SettingError: something cannot work; names the key.
    """
    check_folder(spec.sweep_dir)
    check_parts(spec)
    template = check_trials(spec, app, here)
    check_changes(spec, app)
    return template


def check_transport(app: Payload) -> None:
    """Check that the application can be sent to workers in other processes."""
    try:
        replace(app, context=without_callbacks(app.context)).pack()
    except Exception as error:  # each class has its own
        rule = (
            "the application cannot be sent to a worker: {}; make such objects in a function of "
            "another module, which the function of @hydra.main calls"
        )
        raise SettingError(rule, reason(error)) from error


def check_folder(folder: Path) -> None:
    """Check that files can be written into a folder, which need not exist; leave nothing there."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        if not there.is_dir():
            raise NotADirectoryError(f"{there} is a file")
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(f"{there} is not writable")
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        rule = "hydra.sweep.dir={}: {}; choose another folder"
        raise SettingError(rule, folder, error.strerror or error) from error
    if folder.exists() and folder.stat().st_mode & 0o022:
        text = "others may write into %s and so run programs as you; remedy: chmod go-w %s"
        _log.warning(text, folder, folder)


def check_parts(spec: SweepSpec) -> None:
    """Build once what each worker will build, and ask it what a first trial asks."""
    pruner: BasePruner = _built("pruner", spec.pruner) or optuna.pruners.NopPruner()
    _built("sampler", spec.sampler)
    sampler, _ = _asked("sampler", spec, lambda: make_sampler(spec.sampler, 0))
    directions = [StudyDirection[each.upper()] for each in spec.directions]
    made = optuna.create_study(directions=directions)
    storage, reported = storage_of(made), spec.goals.reported
    if spec.goals.prune_by is None:
        pruner = optuna.pruners.NopPruner()
    study = load(made.study_name, storage, sampler, pruner, reported)
    trial = _asked("sampler", spec, study.ask)
    _asked("sampler", spec, lambda: spec.space.suggest(trial))
    storage.set_trial_intermediate_value(trial_id(trial), 1, 1.0)
    _asked("pruner", spec, lambda: decide(study, study.get_trials(deepcopy=False)[0]))


def _built(name: str, node: Any) -> Any:
    if node is None:
        return None
    try:
        part = build(node)
        import_lazy(part)
    except (InstantiationException, ImportError) as error:
        told = reason(error, str(node.get("_target_", "")))
        raise SettingError(f"{{{name}}}: {{}}", told) from error
    return part


def _asked(name: str, spec: SweepSpec, question: Callable[[], Any]) -> Any:
    try:
        return question()
    except Exception as error:  # whatever a class of the user raises
        target = str((getattr(spec, name) or {}).get("_target_", ""))
        raise SettingError(f"{{{name}}}: {{}}", reason(error, target)) from error


def check_trials(spec: SweepSpec, app: Payload, here: bool) -> Template | None:
    """Compose trials: each key at its first value, then further options of searched groups."""
    points = first_params(spec, app)
    first = next(points)
    template = _template(spec, app, first)
    check_composed(spec, app, here, template, chain([first], points))
    return template


def check_composed(
    spec: SweepSpec,
    app: Payload,
    here: bool,
    template: Template | None,
    trials: Iterable[Mapping[str, Any]],
) -> None:
    """Compose trials with these parameters, and ask the application about each."""
    function = _function("preflight", spec.preflight)
    composing = application(spec, app, "preflight", template)
    try:
        for params in trials:
            overrides = spec.space.overrides(params)
            config = compose(composing, overrides)
            _check_values(config, here)
            if function is not None:
                _ask_application(function, config)
    finally:
        HydraConfig.instance().set_config(app.config)


def _template(spec: SweepSpec, app: Payload, first: Mapping[str, Any]) -> Template | None:
    """Return a template that is right at the first point and at another one; None: there is none.

    What a function suggests is the same at both.
    """
    by_hydra, space = application(spec, app, "preflight"), spec.space
    other = {name: last_value(d) for name, d in space.distributions.items()}
    points = [space.overrides(first), space.overrides({**first, **other})]
    compose = partial(by_hydra.compose, trial_number=0)
    return make_template(compose, app.context.config_loader, space.fixed, points)


def check_changes(spec: SweepSpec, app: Payload) -> None:
    """Ask the application whether each key may change within a training, as a population does."""
    function = _function("preflight_change", spec.preflight_change)
    if function is None or not isinstance(_built("pruner", spec.pruner), PopulationPruner):
        return
    composing = application(spec, app, "preflight")
    first = next(first_params(spec, app))
    try:
        before = compose(composing, spec.space.overrides(first))
        for name, distribution in spec.space.distributions.items():
            other = first | {name: last_value(distribution)}
            after = compose(composing, spec.space.overrides(other))
            _ask_application(function, before, after)
    finally:
        HydraConfig.instance().set_config(app.config)


def first_params(spec: SweepSpec, app: Payload) -> Iterator[dict[str, Any]]:
    """Yield parameters of trials: all keys at their first value, then other options of groups."""
    space, loader = whole_space(spec, app), app.context.config_loader
    first = {name: first_value(d) for name, d in space.distributions.items()}
    yield first
    others = []
    for name, distribution in space.distributions.items():
        group = name.lstrip("+~").partition("@")[0]
        known = group_options(loader, group)
        if isinstance(distribution, CategoricalDistribution) and known:
            for option in distribution.choices:
                _check_options(name, option, known)
            others += [{name: option} for option in distribution.choices[1:]]
    for other in others[: _MAX_COMPOSED - 1]:
        yield first | other


def _check_options(key: str, option: Any, known: list[str]) -> None:
    for name in option if isinstance(option, list) else [option]:
        if not (isinstance(name, str) and set("[/") & set(name)) and name not in known:
            raise option_error(key, "null" if name is None else str(name), known)


def first_value(distribution: BaseDistribution) -> Any:
    """Return the low end of a range, or the first choice."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    return distribution.low  # type: ignore[attr-defined]


def last_value(distribution: BaseDistribution) -> Any:
    """Return the high end of a range, or the last choice."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[-1]
    return distribution.high  # type: ignore[attr-defined]


def whole_space(spec: SweepSpec, app: Payload) -> Space:
    """Return the search space with what a custom function adds to it for a first trial."""
    function = _function("custom_search_space", spec.custom_search_space)
    if function is None:
        return spec.space
    study = optuna.create_study()
    study.enqueue_trial({name: first_value(d) for name, d in spec.space.distributions.items()})
    trial = study.ask()
    spec.space.suggest(trial)
    try:
        function(app.config, trial)
    except Exception as error:
        raise SettingError("{custom_search_space}: {}", reason(error)) from error
    return replace(spec.space, distributions=trial.distributions)


def _function(name: str, path: str | None) -> Callable[..., Any] | None:
    if path is None:
        return None
    try:
        function: Callable[..., Any] = get_method(path)
    except Exception as error:
        raise SettingError(f"{{{name}}}: {{}}", reason(error, path)) from error
    return function


def compose(composing: Application, overrides: list[str]) -> DictConfig:
    """Return the configuration of a trial with these overrides, as its worker would.

    Raises:
        SettingError: an override does not fit the configuration; names its key.
    """
    try:
        config = composing.compose(overrides, 0)
    except (HydraException, OmegaConfBaseException) as error:
        raise key_error(composing, overrides, error) from error
    with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
        folder = Path(config.hydra.sweep.dir, config.hydra.sweep.subdir)
        config.hydra.runtime.output_dir = str(folder)
    HydraConfig.instance().set_config(config)
    return config


def _check_values(config: DictConfig, here: bool) -> None:
    for fault in values_at_fault(config):
        if fault.is_certain or (here and not fault.needs_resolver):
            raise SettingError("{}: {}", fault.key, fault.text)
        _log.warning("%s: %s here; a worker must be able to", fault.key, fault.text)


def _ask_application(function: Callable[..., Any], *configs: DictConfig) -> None:
    try:
        function(*map(_own, configs))
    except _MISTAKES as error:
        raise SettingError("{}", reason(error)) from error


def _own(config: DictConfig) -> DictConfig:
    """Return the configuration as the application gets it."""
    own = copy.deepcopy(config)
    with read_write(own), open_dict(own):
        del own["hydra"]
    OmegaConf.set_struct(own, True)
    return own
