"""Search spaces in Hydra's override grammar, as Optuna distributions.

The vocabulary is that of hydra-optuna-sweeper: `interval(a, b)` (floats, both ends included),
`int(interval(a, b))`, `range(start, stop, step)` (`stop` excluded, as everywhere in Hydra),
`choice(...)`, plain sweeps `a,b,c`, `glob(...)` over the options of a group, and `tag(log, ...)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna
from hydra.errors import HydraException
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from hpo.hydra_internals import (
    ConfigLoader,
    IntervalSweep,
    Override,
    OverridesParser,
    Quote,
    QuotedString,
    RangeSweep,
    Transformer,
)


@dataclass(frozen=True)
class Space:
    """What a sweep varies and what it keeps fixed.

    Attributes:
        distributions: one per searched key, named as in the override (a leading `+` included).
        fixed: overrides that every trial gets, verbatim.
        expressions: choices that are lists or dictionaries, in override grammar: Optuna stores
            them as text, and they must not be quoted when they become overrides again.
    """

    distributions: dict[str, BaseDistribution]
    fixed: tuple[str, ...] = ()
    expressions: dict[str, frozenset[str]] = field(default_factory=dict)

    def suggest(self, trial: optuna.Trial) -> None:
        """Draw every parameter of the space; those the trial already has are kept."""
        for name, distribution in self.distributions.items():
            _suggest(trial, name, distribution)

    def overrides(self, params: Mapping[str, Any]) -> list[str]:
        """Return the overrides of a trial with these parameters, fixed ones first."""
        searched = [
            f"{name}={value if value in self.expressions.get(name, ()) else render(value)}"
            for name, value in params.items()
        ]
        return [*self.fixed, *searched]


def parse_space(
    params: Mapping[str, Any], arguments: Iterable[str], loader: ConfigLoader | None = None
) -> Space:
    """Return the space of the configured `params` and the command line; the latter wins.

    Args:
        params: key -> value in override grammar, e.g. `{"lr": "tag(log, interval(1e-4, 1e-1))"}`;
            a plain value is fixed for all trials.
        arguments: overrides of the command line. A sweep joins the space or replaces a key of it;
            a plain value removes its key from the space.
        loader: needed for `glob(...)` only.

    Raises:
        ValueError: a value is no valid sweep; the message names its key.
    """
    parser = OverridesParser.create(config_loader=loader)
    chosen: dict[str, Override] = {}
    for line in [f"{key}={_text(value)}" for key, value in params.items()]:
        override = _parse(parser, line)
        chosen[_bare_key(override)] = override
    for line in arguments:
        override = _parse(parser, line)
        if override.is_sweep_override() or _bare_key(override) in chosen:
            chosen[_bare_key(override)] = override
        else:  # plain: kept verbatim, repetitions included
            chosen[line] = override
    sweeps = {o.get_key_element(): o for o in chosen.values() if o.is_sweep_override()}
    fixed = tuple(o.input_line or "" for o in chosen.values() if not o.is_sweep_override())
    expressions = {name: _expressions(o) for name, o in sweeps.items() if o.is_choice_sweep()}
    distributions = {name: _distribution(name, override) for name, override in sweeps.items()}
    return Space(distributions, fixed, {k: v for k, v in expressions.items() if v})


def render(value: Any) -> str:
    r"""Return a number, text, bool or None in override grammar, quoted where it has to be.

    >>> render(1e-05), render("adam"), render("1"), render("it's"), render(None)
    ('1e-05', 'adam', "'1'", "'it\\'s'", 'null')
    """
    if not isinstance(value, str):
        return Transformer.str(value)
    try:
        plain = OverridesParser.create().parse_override(f"key={value}")
        unchanged = not plain.is_sweep_override() and plain.value() == value
    except HydraException:
        unchanged = False
    return value if unchanged else QuotedString(value, Quote.single).with_quotes()


def _parse(parser: OverridesParser, line: str) -> Override:
    try:
        return parser.parse_override(line)
    except HydraException as error:
        raise ValueError(f"{line.split('=')[0]}: {str(error).splitlines()[0]}") from error


def _text(value: Any) -> str:
    return value if isinstance(value, str) else render(value)


def _bare_key(override: Override) -> str:
    return override.get_key_element().lstrip("+~")


def _expressions(override: Override) -> frozenset[str]:
    compound = (x for x in override.sweep_iterator() if isinstance(x, list | dict))
    return frozenset(Transformer.str(x) for x in compound)


def _distribution(name: str, override: Override) -> BaseDistribution:
    value = override.value()
    try:
        if isinstance(value, IntervalSweep):
            return _interval(value)
        if isinstance(value, RangeSweep):
            return _range(value)
        return CategoricalDistribution(
            [_choice(x) for x in override.sweep_iterator(transformer=Transformer.identity)]
        )
    except (ValueError, HydraException) as error:
        raise ValueError(f"{name}={override.get_value_string()}: {error}") from error


def _interval(sweep: IntervalSweep) -> BaseDistribution:
    # `int(interval(...))` leaves integers here, although Hydra annotates them as floats.
    low: Any = sweep.start
    high: Any = sweep.end
    log = _is_log(sweep.tags)
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)


def _range(sweep: RangeSweep) -> BaseDistribution:
    values = list(sweep.range())
    if not values:
        raise ValueError("the range is empty")
    low, high, step, log = min(values), max(values), abs(sweep.step), _is_log(sweep.tags)
    if all(isinstance(x, int) for x in values):
        return IntDistribution(int(low), int(high), log=log, step=int(step))
    return FloatDistribution(low, high, log=log, step=step)


def _is_log(tags: set[str]) -> bool:
    if tags - {"log"}:
        raise ValueError(f"unknown tag {', '.join(sorted(tags - {'log'}))}; only log is supported")
    return "log" in tags


def _choice(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    return Transformer.str(value) if isinstance(value, list | dict) else value


def _suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> None:
    match distribution:
        case FloatDistribution(low=low, high=high, step=step, log=log):
            trial.suggest_float(name, low, high, step=step, log=log)
        case IntDistribution(low=low, high=high, step=step, log=log):
            trial.suggest_int(name, low, high, step=step, log=log)
        case CategoricalDistribution(choices=choices):
            trial.suggest_categorical(name, choices)
