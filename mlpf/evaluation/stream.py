"""Events stream through networks into figures, a few at a time."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any, Final

import numpy as np
from torch import nn

from mlpf.config import ConfigError, check_share
from mlpf.data.events import Events, concatenate
from mlpf.network.candidates import P_NONE_MAX, Predicted, predict
from mlpf.physics.accumulator import Accumulator
from mlpf.physics.figures import all_figures
from mlpf.physics.jet_figures import JetFigure
from mlpf.physics.results import DIFFERENCE, MLPF, RULES, Result, Row, number
from mlpf.physics.sample import Answer, Sample

BETWEEN_NETWORKS: Final = "mlpf-mlpf"  # column of the paired difference of two networks
_ALL: Final = 2**62  # elements: the events of a sample pass the network at once


@dataclass(frozen=True)
class Settings:
    """How figures are made; all of them are in `evaluation.json`.

    Args:
        p_none_max: an element is a particle for momenta, jets and sums if its probability of class
            0 is below this; in (0, 1].
        batch_size: events that pass the network together, at least 1.
        jet_pt_min: threshold of jets in GeV; None: by the number of elements, see `JetFigure`.
        n_draws: bootstrap draws, at least 0.
        seed: of the draws, at least 0.
        speed: `none`, `event` for the time per event, `scan` for time and memory against size.

    Raises:
        ValueError: a value is out of its range; the message begins with its name.
    """

    p_none_max: float = P_NONE_MAX
    batch_size: int = 1
    jet_pt_min: float | None = None
    n_draws: int = 200
    seed: int = 1
    speed: str = "event"

    def __post_init__(self) -> None:
        check_share("p_none_max", self.p_none_max)
        for name, least in (("batch_size", 1), ("n_draws", 0), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be an integer >= {least}, got {value}")
        if self.speed not in ("none", "event", "scan"):
            raise ValueError(f"speed must be none, event or scan, got {self.speed}")
        pt = self.jet_pt_min
        if pt is not None and (not isinstance(pt, int | float) or not pt >= 10):
            raise ValueError(f"jet_pt_min must be >= 10 or null, got {pt}")


class Stream:
    """Figures of networks on the events that are added.

    Args:
        networks: by name, in evaluation mode.
        settings: how figures are made.
        has_rules: whether the events have rule-based candidates.
        has_generator: whether they have generator information.
        n_shown: number of first events that are kept.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        settings: Settings,
        *,
        has_rules: bool,
        has_generator: bool = False,
        n_shown: int = 0,
    ) -> None:
        self._has_generator = has_generator
        self._networks, self._settings, self._has_rules = networks, settings, has_rules
        columns = [RULES, MLPF] if has_rules else [MLPF]
        self._figures = {name: self._empty(columns) for name in networks}
        self._pairs = {pair: self._empty([RULES, MLPF]) for pair in combinations(networks, 2)}
        self._seconds: dict[str, list[float]] = {name: [] for name in networks}
        self._n_shown = n_shown
        self._shown: list[Events] = []
        self._found: dict[str, list[Predicted]] = {name: [] for name in networks}

    def _empty(self, columns: list[str]) -> Accumulator:
        settings = self._settings
        return all_figures(
            columns,
            n_draws=settings.n_draws,
            seed=settings.seed,
            jet_pt_min=settings.jet_pt_min,
            generator=self._has_generator,
        )

    @property
    def n_events(self) -> int:
        """Number of events that were added."""
        return next(iter(self._figures.values())).n_events

    def add(self, events: Events) -> None:
        """Add some events, which pass each network together.

        Raises:
            ConfigError: a network cannot read them.
        """
        found = {name: self._predict(name, events) for name in self._networks}
        answers = {n: Answer(p.argmax, p.kept, p.probabilities) for n, p in found.items()}
        for name, answer in answers.items():
            self._figures[name].add(Sample.of(events, answer, has_rules=self._has_rules))
        for (first, second), figures in self._pairs.items():
            figures.add(Sample(events, {RULES: answers[first], MLPF: answers[second]}))
        if sum(map(len, self._shown)) < max(self._n_shown, 1):
            self._shown.append(events)
            for name, predicted in found.items():
                self._found[name].append(predicted)

    def _predict(self, name: str, events: Events) -> Predicted:
        start = time.perf_counter()
        try:
            found = predict(
                self._networks[name],
                events,
                p_none_max=self._settings.p_none_max,
                max_elements_per_batch=_ALL,
            )
        except (IndexError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"{name}: the network can't read the events ({reason})") from error
        self._seconds[name].append((time.perf_counter() - start) / len(events))
        return found

    def results(self) -> Iterator[Result]:
        """Yield the rows and curves of all networks, then the differences between them."""
        several = len(self._networks) > 1
        for name, figures in self._figures.items():
            yield from named(figures.results(), name if several else "")
            if self._settings.speed != "none":
                yield from named([self._time(name)], name if several else "")
        for (first, second), figures in self._pairs.items():
            for r in figures.results():
                if isinstance(r, Row) and r.column == DIFFERENCE and RULES not in r.name:
                    r = replace(r, column=BETWEEN_NETWORKS)
                    yield from named([r], f"{second} - {first}")

    def _time(self, name: str) -> Row:
        times = np.array(self._seconds[name]) * 1000
        times = times[1:] if len(times) > 1 else times  # the first one warms up
        error = number(times.std(ddof=1) / len(times) ** 0.5) if len(times) > 1 else None
        selection = f"batch {self._settings.batch_size}"
        mean = number(float(times.mean()))
        return Row("ms_per_event", selection, MLPF, mean, error, len(times), "ms")

    def sample(self) -> Events:
        """Return the first events, at least one."""
        return concatenate(self._shown)

    def shown(self) -> tuple[Events, dict[str, Predicted]]:
        """Return the first events, and what each network found in them."""
        events = self.sample()
        n = min(self._n_shown, len(events))
        rows = int(events.offsets[n])
        found = {}
        for name, parts in self._found.items():
            arrays = zip(*(asdict(part).values() for part in parts), strict=True)
            found[name] = Predicted(*(np.concatenate(array)[:rows] for array in arrays))
        return events.take(range(n)), found

    def described(self) -> dict[str, Any]:
        """Return what the figures depend on: the same for the same events in any order."""
        figures = next(iter(self._figures.values()))
        jets = [f.pt_min for f in figures.items if isinstance(f, JetFigure)]
        return {
            "networks": {name: fingerprint(net) for name, net in self._networks.items()},
            "n_events": figures.n_events,
            "n_elements": figures.n_elements,
            "events": figures.digest(),
            **asdict(self._settings),
            "jet_pt_min": next(iter(jets), None),
            "device": str(next(next(iter(self._networks.values())).parameters()).device),
        }


def named(results: Iterable[Result], name: str) -> list[Result]:
    """Return results whose selection begins with a name, unless it is empty."""
    if not name:
        return list(results)
    return [replace(r, selection=f"{name}, {r.selection}") for r in results]


def fingerprint(network: nn.Module) -> str:
    """Return a short text that differs for other weights."""
    digest = hashlib.sha256()
    for name, values in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(values.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
