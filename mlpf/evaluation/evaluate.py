"""Events stream through networks into figures; the result is the content of `evaluation.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from torch import nn

from commons.pools import advance
from mlpf.config import ConfigError
from mlpf.data.events import Events
from mlpf.evaluation.inputs import EventFiles
from mlpf.evaluation.speed import scan
from mlpf.evaluation.stream import Settings, Stream, named
from mlpf.network.candidates import Predicted
from mlpf.physics.figures import NO_FASTJET
from mlpf.physics.jets import has_fastjet
from mlpf.physics.results import Row

SCHEMA: Final = 1


@dataclass
class Evaluated:
    """The content of `evaluation.json`, and the first events with what was found in them."""

    content: dict[str, Any]
    events: Events
    found: dict[str, Predicted]


def evaluate(
    networks: Mapping[str, nn.Module], files: EventFiles, settings: Settings, *, n_shown: int = 0
) -> Evaluated:
    """Return the figures of networks on events.

    With one network the columns are truth, rules, mlpf and mlpf-rules. With several, the selection
    of a row begins with the name of its network, and the paired difference of two has the column
    `mlpf-mlpf`.

    Args:
        networks: by name, in evaluation mode, on the device where they are to run.
        files: with truth.
        settings: how figures are made.
        n_shown: number of first events to return.

    Raises:
        ConfigError: a network cannot read the events, or no event passes the selection.
    """
    has_rules = files.has("ycand")
    has_generator = files.has("gen")
    stream = Stream(
        networks,
        settings,
        has_rules=has_rules,
        has_generator=has_generator,
        n_shown=n_shown,
    )
    for events in files.portions():
        for start in range(0, len(events), settings.batch_size):
            stop = min(start + settings.batch_size, len(events))
            part = events.take(range(start, stop))
            stream.add(part)
            advance(len(part))
    if stream.n_events == 0:
        raise ConfigError("data.selection: no event passes it")
    results = list(stream.results())
    if settings.speed == "scan":
        for name, network in networks.items():
            results += named(scan(network, stream.sample()), name if len(networks) > 1 else "")
    content = {
        "schema": SCHEMA,
        "settings": stream.described(),
        "rows": [r.as_dict() for r in results if isinstance(r, Row)],
        "curves": [r.as_dict() for r in results if not isinstance(r, Row)],
        "missing": _missing(has_rules, has_generator),
    }
    return Evaluated(content, *stream.shown())


def _missing(has_rules: bool, has_generator: bool) -> list[str]:
    told = [] if has_fastjet() else [NO_FASTJET]
    if not has_rules:
        told.append("rules: the files have no rule-based candidates (columns ycand_*)")
    if not has_generator:
        told.append("generator: not all files have generator information (columns gen_*)")
    return told
