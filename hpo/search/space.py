"""Search spaces in Hydra's override grammar, as Optuna distributions.

The vocabulary is that of hydra-optuna-sweeper: `interval(a, b)` (floats, both ends included),
`int(interval(a, b))`, `range(start, stop, step)` (`stop` excluded, as everywhere in Hydra),
`choice(...)`, plain sweeps `a,b,c`, `glob(...)` over the options of a group, and `tag(log, ...)`.
`sort` and `shuffle` change nothing, as a sampler has an order of its own.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
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
    ChoiceSweep,
    ConfigLoader,
    IntervalSweep,
    Override,
    OverridesParser,
    Quote,
    QuotedString,
    RangeSweep,
    Sweep,
    Transformer,
    make_parser,
)
from hpo.search.old_space import in_grammar, is_old_entry

_MOST = 1_000_000  # values of a range of floats
_SWEEP = re.compile(r"\s*(tag|interval|range|choice|glob|int|float)\(")


@dataclass(frozen=True)
class Space:
    """What a sweep varies and what it keeps fixed.

    Attributes:
        distributions: one per searched key, named as in the override (a leading `+` included).
        fixed: overrides that every trial gets, verbatim.
        expressions: choices in override grammar, of lists and dictionaries, and of values that are
            equal to another choice but of another type: Optuna stores them as text, and they must
            not be quoted when they become overrides again.
    """

    distributions: dict[str, BaseDistribution]
    fixed: tuple[str, ...] = ()
    expressions: dict[str, frozenset[str]] = field(default_factory=dict)

    def suggest(self, trial: optuna.Trial) -> None:
        """Draw every parameter of the space; those the trial already has are kept."""
        with warnings.catch_warnings():
            # An enqueued default may lie outside; `read_points` has told it.
            warnings.filterwarnings("ignore", "Fixed parameter .* is out of range")
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
            a plain value is fixed for all trials. `{type: float, low: 0, high: 1}`, the form of
            old versions of hydra-optuna-sweeper, is taken too.
        arguments: overrides of the command line. A sweep joins the space or replaces a key of it;
            a plain value removes its key from the space.
        loader: needed for `glob(...)` only.

    Raises:
        ValueError: a value is no valid sweep; the message names its key.
    """
    parser = make_parser(loader)
    chosen: dict[str, Override] = {}
    for line in [f"{key}={_text(key, value)}" for key, value in params.items()]:
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
    named = {name: _named(name, override) for name, override in sweeps.items()}
    expressions = {name: texts for name, (_, texts) in named.items() if texts}
    return Space({name: each for name, (each, _) in named.items()}, fixed, expressions)


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
        return parser.parse_overrides([line])[0]  # `parse_override` would not set the loader
    except HydraException as error:
        told = [text for text in str(error).splitlines() if text.strip("^ ")]
        reason = told[1] if told[0].startswith("Error parsing") else told[0]
        raise ValueError(f"{line.split('=')[0]}: {reason}") from error


def _text(key: str, value: Any) -> str:
    if is_old_entry(value):
        return in_grammar(key, value, render)
    inner = next((text for text in _texts(value) if _SWEEP.match(text)), None)
    if inner is not None and not isinstance(value, str):
        raise ValueError(f"{key}: {inner} is inside of a value; write its whole key, with dots")
    return value if isinstance(value, str) else render(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)


def _bare_key(override: Override) -> str:
    return override.get_key_element().lstrip("+~")


def _named(name: str, override: Override) -> tuple[BaseDistribution, frozenset[str]]:
    """Return a distribution, and which of its choices are expressions."""
    value = override.value()
    try:
        if override.is_delete():
            raise ValueError("a key cannot be deleted in some trials only")
        if isinstance(value, IntervalSweep):
            return _interval(value), frozenset()
        if isinstance(value, RangeSweep):
            return _range(value), frozenset()
        if isinstance(value, ChoiceSweep) and value.tags:
            raise ValueError(
                f"tag({', '.join(sorted(value.tags))}, ...) means nothing for choices"
            )
        return _choice(_items(override))
    except (ValueError, HydraException) as error:
        raise ValueError(f"{name}={override.get_value_string()}: {error}") from error


def _items(override: Override) -> list[Any]:
    value = override.value()
    if isinstance(value, ChoiceSweep):
        if any(isinstance(item, Sweep) for item in value.list):
            raise ValueError("a sweep is among the choices; a key has one sweep or plain choices")
        return list(value.list)  # in their order, also of `shuffle`: a study knows its space by it
    options = list(override.sweep_iterator())
    if not options:
        raise ValueError(f"{override.key_or_group} has no option of such a name")
    return options


def _interval(sweep: IntervalSweep) -> BaseDistribution:
    # `int(interval(...))` leaves integers here, although Hydra annotates them as floats.
    low: Any = sweep.start
    high: Any = sweep.end
    log = _is_log(sweep.tags)
    if not math.isfinite(low) or not math.isfinite(high):
        raise ValueError("the ends must be finite")
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)


def _range(sweep: RangeSweep) -> BaseDistribution:
    given: Any = sweep.start, sweep.stop, sweep.step
    start, stop, step = given
    if not all(map(math.isfinite, given)) or step == 0:
        raise ValueError("start, stop and step must be finite, and step must not be 0")
    log = _is_log(sweep.tags)
    if all(isinstance(x, int) for x in given):
        whole = range(start, stop, step)
        if not whole:
            raise ValueError("the range is empty")
        return IntDistribution(min(whole[0], whole[-1]), max(whole[0], whole[-1]), log, abs(step))
    n = len([*islice(sweep.range(), _MOST)])
    if n in (0, _MOST):
        raise ValueError("the range is empty" if n == 0 else f"it has {_MOST} values or more")
    low, high, by = _stepped(start, step, n)
    return FloatDistribution(low, high, log=log, step=by)


def _stepped(start: float, step: float, n: int) -> tuple[float, float, float]:
    """Return low end, high end and step of n values, as a person would write these numbers.

    Hydra's last value may be 0.8999999999999999; Optuna would drop it, as no multiple of 0.3.
    """
    for digits in (None, 12, 9):
        first, by = (
            Decimal(repr(x) if digits is None else f"{x:.{digits}g}") for x in (start, step)
        )
        last = first + (n - 1) * by
        if Decimal(repr(float(last))) == last:
            break
    return float(min(first, last)), float(max(first, last)), float(abs(by))


def _is_log(tags: set[str]) -> bool:
    if tags - {"log"}:
        raise ValueError(f"unknown tag {', '.join(sorted(tags - {'log'}))}; only log is supported")
    return "log" in tags


def _choice(items: list[Any]) -> tuple[BaseDistribution, frozenset[str]]:
    """Return the choices without repetitions, as what Optuna can store and tell apart."""
    found: list[tuple[Any, bool]] = []
    for item in items:
        value = item.text if isinstance(item, QuotedString) else item
        alike = [known for known, is_text in found if known == value and not is_text]
        is_text = isinstance(value, list | dict) or any(type(x) is not type(value) for x in alike)
        stored = Transformer.str(value) if is_text else value
        if (stored, is_text) in found:
            continue
        if any(known == stored for known, _ in found):
            raise ValueError(f"{stored} is written like another choice")
        found.append((stored, is_text))
    texts = frozenset(stored for stored, is_text in found if is_text)
    return CategoricalDistribution([stored for stored, _ in found]), texts


def _suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> None:
    match distribution:
        case FloatDistribution(low=low, high=high, step=step, log=log):
            trial.suggest_float(name, low, high, step=step, log=log)
        case IntDistribution(low=low, high=high, step=step, log=log):
            trial.suggest_int(name, low, high, step=step, log=log)
        case CategoricalDistribution(choices=choices):
            trial.suggest_categorical(name, choices)
