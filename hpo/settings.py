"""The settings of a sweep and of local jobs, and how a mistake in them is told to the user.

Imported whenever Hydra starts, so it imports nothing heavy. No postponed annotations: OmegaConf
reads the types.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from string import Formatter
from typing import Any, TypeVar, get_type_hints

from hydra.errors import CompactHydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from commons.cli import did_you_mean, expected

Settings = TypeVar("Settings")
_GROUP = "_group"
_DIRECTIONS = {"min": "minimize", "max": "maximize"}
_NAME_BYTES = 100  # a folder of this name may get a suffix


class SweepError(CompactHydraException):
    """Something the user can correct: one line, and the exit code of a wrong usage."""

    code = 2


class SubmissionError(SweepError):
    """SLURM has refused the jobs of a sweep."""


class SweepFailure(SweepError):
    """A sweep could not reach its end, although it was started rightly."""

    code = 1


class SettingError(ValueError):
    """A setting that cannot work.

    Args:
        text: the rule, with the names of settings in braces and `{}` for each value.
            `{NAME_group}` is the key of NAME as a config group.
        values: the values received.
    """

    def __str__(self) -> str:
        return self.naming(str)

    def naming(self, key: Callable[[str], str]) -> str:
        """Return the message with the key of each setting in place of its name.

        >>> SettingError("{n_trials} must be at least 1, got {}", 0).naming("hpo.{}".format)
        'hpo.n_trials must be at least 1, got 0'
        """
        text, *values = self.args
        names = {name for _, name, _, _ in Formatter().parse(text) if name}
        keys = {name: key(name.removesuffix(_GROUP)) for name in names}
        groups = {name: keys[name].replace(".", "/") for name in names if name.endswith(_GROUP)}
        return str(text.format(*values, **keys | groups))


def typed_key(config: DictConfig, section: str, name: str) -> str:
    """Return the key with which a user sets `section.name`: the application's own, if it has one.

    >>> app = OmegaConf.create({"hydra": {"sweeper": {"n_trials": "${hpo.n_trials}"}}})
    >>> [typed_key(app, "hydra.sweeper", name) for name in ("n_trials", "pruner")]
    ['hpo.n_trials', 'hydra.sweeper.pruner']
    """
    raw: Any = OmegaConf.to_container(OmegaConf.select(config, section), resolve=False)
    plain = re.fullmatch(
        r"\$\{(?:oc\.select:)?(?!hydra\.)(\w[\w.]*)(?:,.*)?\}", str(raw.get(name))
    )
    return plain[1] if plain else f"{section}.{name}"


def settings_of(kind: type[Settings], options: Mapping[str, Any]) -> Settings:
    """Return settings, a dataclass, made of options whose names and types are not yet checked.

    Raises:
        SettingError: there is no such setting, or its value has another type.
    """
    hints, node = get_type_hints(kind), OmegaConf.structured(kind)
    for name, value in options.items():
        if name not in hints:
            key = f"{{{name}}}" if name.isidentifier() else "{}"
            rule = f"{key}: no such setting{did_you_mean(name, hints)}"
            raise SettingError(rule, *([] if name.isidentifier() else [name]))
        if hints[name] is not Any:
            _set_typed(node, name, value, hints[name])
    plain: Any = OmegaConf.to_container(node, resolve=False)
    typed = {name: plain[name] for name in options if hints[name] is not Any}
    return kind(**{**options, **typed})


def _set_typed(node: DictConfig, name: str, value: Any, hint: Any) -> None:
    try:
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(value)
        OmegaConf.update(node, name, value, force_add=True)
    except (OmegaConfBaseException, ValueError) as error:
        raise SettingError(
            f"{{{name}}} must be {{}}, got {{!r}}", expected(hint), value
        ) from error


def check_range(settings: object, name: str, least: float, most: float = math.inf) -> None:
    """Check that a setting is None or a number in this range.

    Raises:
        SettingError: it is not.
    """
    value = getattr(settings, name)
    if value is None or least <= value <= most:
        return
    rule = f"at least {least}" if most == math.inf else f"in {least}..{most}"
    raise SettingError(f"{{{name}}} must be {rule}, got {{}}", value)


@contextmanager
def told_by_typed_keys(
    config: DictConfig, section: str, kind: type[SweepError] = SweepError
) -> Iterator[None]:
    """Turn a ValueError into a SweepError that names settings as the user of `config` does."""
    try:
        yield
    except SettingError as error:
        raise kind(error.naming(lambda name: typed_key(config, section, name))) from error
    except OmegaConfBaseException as error:
        where = f"{error.full_key}: " if error.full_key else ""
        raise kind(f"{where}{error.msg or error}") from error
    except ValueError as error:
        raise kind(str(error)) from error


def is_among(key: str, groups: Iterable[str]) -> bool:
    """Tell whether the key of an override is one of these keys or groups, or inside of one.

    >>> is_among("+hpo/pruner", ["hpo"]), is_among("hpo_x.a", ["hpo"]), is_among("a.b.c", ["a.b"])
    (True, False, True)
    """
    path = re.split(r"[./@]", key.lstrip("+~"))
    inside = (re.split(r"[./]", group) for group in groups)
    return any(path[: len(group)] == group for group in inside)


def study_name(value: Any) -> str:
    """Return the name of a study, which is also a folder: a text, or a number or date as text.

    >>> study_name(20261126), study_name("asha_bo")
    ('20261126', 'asha_bo')

    Raises:
        SettingError: the value cannot be such a name.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float | date):
        rule = "{study_name} must be a text, a number or a date, got {!r}"
        raise SettingError(rule + (": put it in quotes" if isinstance(value, bool) else ""), value)
    name = str(value)
    shown = name if len(name) < _NAME_BYTES else f"{name[:20]}..."
    if not name.isprintable() or any(part in name for part in ("/", "\\", "${")):
        rule = "{study_name} must be without / and \\, ${{ and control characters, got {!a}"
        raise SettingError(rule, shown)
    if name in ("", ".", "..") or name != name.strip() or name.startswith("-"):
        rule = (
            "{study_name} must not be empty, . or .., begin with - or have blanks around, got {!r}"
        )
        raise SettingError(rule, shown)
    if len(name.encode()) > _NAME_BYTES:
        rule = "{study_name} must not be longer than {} bytes, got {} ({})"
        raise SettingError(rule, _NAME_BYTES, len(name.encode()), shown)
    return name


def check_timeout(name: str, value: Any, *, may_be_auto: bool = False) -> None:
    """Check a time limit.

    Raises:
        SettingError: it is neither a positive number, nor None, nor "auto" where that may be.
    """
    if value is None or (may_be_auto and value == "auto"):
        return
    if type(value) not in (int, float) or not 0 < value < math.inf:
        choices = "a positive number of seconds, " + ("auto or null" if may_be_auto else "or null")
        raise SettingError(f"{{{name}}} must be {choices}, got {{}}", value)


@dataclass
class SweepSettings:
    """Settings of `hydra/sweeper: optuna_async`; hydra-optuna-sweeper has the same names.

    Attributes:
        study_name: name of the study, see `study_name`; the sweeper makes one of None.
        storage: None: a journal file in the sweep folder; else what `hpo.open_storage` takes.
        direction: "minimize" or "maximize", for all objectives or a list; also "min" and "max".
        goals: mapping of names, pruning and constraints, see `hpo.goals.Goals`.
        n_trials: finished trials of the study, including those of earlier commands; at least 1.
        n_workers: at least 1; None: one per core, with SLURM those of one job.
        max_failure_rate: the sweep stops when more than this share of `n_trials` has failed; 0..1.
        max_retries: how often a trial may be retried after its worker died.
        lease_s: seconds without a heartbeat after which a worker is considered dead.
        trial_timeout: seconds after which a trial fails, with those before a pause.
        epoch_timeout: seconds without a report after which a trial fails; auto: ten times the
            slowest interval between two reports of the study, at least 60, once ten are known.
        timeout: seconds of work on the study, over all commands; a larger one continues it.
        budget: mapping of what else ends the sweep, see `hpo.budgets.Budget`.
        patience_s: how long to wait for an unreachable storage (s).
        fresh_process: whether each trial runs in a process of its own.
        sampler: `_target_` node; None: Optuna's default.
        pruner: `_target_` node; None: no pruning.
        params: what is searched: key -> interval(), choice(), range(), tag(log, ...).
        custom_search_space: dotted path of a function `f(cfg, trial)` that suggests more.
        preflight: dotted path of a function `f(cfg)`, called before the study is
            created with configurations of trials; a ValueError tells that one could not begin.
        preflight_change: the same, `f(before, after)`, for hyperparameters that change on the way.
        enqueue: the first trials: `default`, a YAML file, a study, or a mapping of searched keys.
        add: finished trials that a new study begins with, see `hpo.study.added.read_added`.
        own_groups: keys or groups of the application that only set up the sweep. They may change
            when a study is resumed, and best.yaml leaves them out.
        restart: the study's name, or true where a terminal can ask: begin anew, and keep the old
            study and its folder beside, as NAME.1.
        join: this process is one worker of the study, whatever the launcher.
    """

    study_name: Any
    storage: Any = None
    direction: Any = "minimize"
    goals: Any = None
    n_trials: int = 20
    n_workers: int | None = None
    max_failure_rate: float = 0.0
    max_retries: int = 3
    lease_s: float = 60.0
    trial_timeout: Any = None
    epoch_timeout: Any = None
    timeout: Any = None
    budget: Any = None
    patience_s: float = 300.0
    fresh_process: bool = False
    sampler: Any = None
    pruner: Any = None
    params: Any = None
    custom_search_space: str | None = None
    preflight: str | None = None
    preflight_change: str | None = None
    enqueue: list[Any] = field(default_factory=list)
    add: list[str] = field(default_factory=list)
    own_groups: list[str] = field(default_factory=list)
    restart: Any = False
    join: bool = False

    def __post_init__(self) -> None:
        """Check what can be checked without a storage; bring `direction` into its plain form.

        Raises:
            SettingError: a setting is out of range; names it.
        """
        self.study_name = study_name(self.study_name)
        given = self.direction if isinstance(self.direction, list) else [self.direction]
        words = [str(getattr(each, "name", each)).lower() for each in given]
        plain = [_DIRECTIONS.get(word, word) for word in words]
        if not plain or {*plain} - {"minimize", "maximize"}:
            rule = "{direction} must be minimize or maximize, got {}"
            raise SettingError(rule, ", ".join(plain))
        self.direction = plain[0] if len(plain) == 1 else plain
        least = {"n_trials": 1, "n_workers": 1, "max_retries": 0, "patience_s": 0}
        for name, number in least.items():
            check_range(self, name, number)
        check_range(self, "max_failure_rate", 0, 1)
        if not self.lease_s > 0:
            raise SettingError("{lease_s} must be more than 0, got {}", self.lease_s)
        for name in ("trial_timeout", "epoch_timeout", "timeout"):
            check_timeout(name, getattr(self, name), may_be_auto=name == "epoch_timeout")
        sources: Sequence[Any] = self.add
        for source in sources:
            if not isinstance(source, str):
                rule = "{add} must be a list of files, folders and URLs, got {!r}"
                raise SettingError(rule, source)
        for name in ("sampler", "pruner"):
            _check_node(name, getattr(self, name))
        if self.params is not None and not isinstance(self.params, Mapping):
            rule = "{params} must be a mapping such as {{x: interval(0, 1)}}, got {!r}"
            raise SettingError(rule, self.params)


def _check_node(name: str, node: Any) -> None:
    if node is None or (isinstance(node, Mapping) and "_target_" in node):
        return
    # A name is chosen as an option of a group; SettingError.naming knows the key.
    rule = f"{{{name}}} must be null or a mapping with _target_, got {{!r}}"
    if isinstance(node, str):
        rule += f"; a name is chosen with a slash: {{{name}_group}}={{}}"
        raise SettingError(rule, node, node)
    raise SettingError(rule, node)
