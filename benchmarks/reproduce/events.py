"""From simulation to a data set, at several pile-ups and for QCD (`make repro-events`).

    python -m benchmarks.reproduce.events [scale=tiny|small|full] [delphes=DIR]

1. makes top pairs at pile-up 0, 20 and 200 and QCD at pile-up 200 with Pythia and our detector
   simulation, labeled as the published files are, and counts what an event holds;
2. at the scale `small` sends the collisions of real Delphes events in the folder `delphes` through
   our simulation and compares (`make check-simulation`); without such a folder it says so.

No published QCD file could be had. Beside our numbers of particles stand the ranges that events
of the published set have, read off figures of the original repository: they say that an event has
the right size, and no more.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.reproduce.comparison import COUNTS
from benchmarks.reproduce.depends import EVENTS
from benchmarks.reproduce.scales import Target
from commons.cli import run_command
from commons.picture_style import BLUE, GRAY, GREEN, INK, ORANGE, RED, Picture, logarithmic
from mlpf.data.events import Events
from mlpf.data.files import read_events
from mlpf.generation.source import PythiaSource

DEPENDS: Final = ("benchmarks.reproduce.events", *EVENTS)
CLASSES: Final = ("charged hadron", "neutral hadron", "photon")
# Smallest and largest number in an event of pile-up 200.
PUBLISHED: Final = {
    "qcd": {
        "charged hadron": (1900, 3400),
        "neutral hadron": (750, 1050),
        "photon": (950, 1600),
    },
    "ttbar": {"charged hadron": (1500, 3500), "neutral hadron": (800, 1200)},
}
_NAMES: Final = {"ttbar": "top pairs", "qcd": "QCD"}
_SEED: Final = 5
_COUNTED: Final = ("elements", "tracks", *(f"ygen {name}" for name in CLASSES))
_CPU_S_PER_EVENT: Final = 0.1  # of pile-up 200: 0.02 s for pile-up and detector, the rest Pythia


@dataclass(frozen=True)
class Sample:
    """Events to make."""

    process: str
    pileup: int
    n_events: int

    @property
    def title(self) -> str:
        """What they are, in words."""
        return f"{_NAMES[self.process]}, pile-up {self.pileup}"

    def source(self, folder: Path, n_minbias: int) -> PythiaSource:
        """Return their generator; labels follow the published files, quirks included."""
        return PythiaSource(
            folder=folder / f"{self.process}_pu{self.pileup}_{self.n_events}",
            process=self.process,
            pileup=self.pileup,
            n_events={"train": self.n_events},
            seed=_SEED,
            n_minbias=n_minbias,
            events_per_file=50,
            count_once=False,
        )


@dataclass(frozen=True)
class Scale:
    """The size of the target."""

    samples: tuple[Sample, ...]
    n_minbias: int
    checks: bool  # against Delphes
    n_processes: int | None = None


SIZES: Final = {
    "tiny": Scale(
        (Sample("ttbar", 0, 10), Sample("ttbar", 20, 5), Sample("qcd", 20, 5)), 50, False, 1
    ),
    "small": Scale(
        (
            Sample("ttbar", 0, 500),
            Sample("ttbar", 20, 400),
            Sample("ttbar", 200, 200),
            Sample("qcd", 200, 200),
        ),
        *(4000, True),
    ),
}
# Of the published set: 50,000 top pairs, 5,000 QCD events.
FULL: Final = (Sample("ttbar", 200, 50_000), Sample("qcd", 200, 5_000))


@dataclass
class Settings:
    """What the command line may set."""

    scale: str = "small"
    delphes: Path = Path("../shared/data/delphes")


def main(arguments: list[str]) -> int:
    """Make events, count and compare; see the module's text."""
    return run_command(_reproduce, Settings, arguments, __doc__)


def _reproduce(settings: Settings) -> None:
    scale = SIZES.get(settings.scale)
    n_steps = len(scale.samples) + scale.checks if scale else 0
    target = Target("events", settings.scale, n_steps)
    if scale is None:
        print_commands()
        return
    rows, counts = [], []
    for sample in scale.samples:
        counts.append(_made(target, sample, scale))
        rows.append(row_of(sample, counts[-1]))
    checked = scale.checks and _check(target, settings.delphes)
    print_rows(rows)
    draw(target.results.with_suffix(".png"), scale.samples, counts)
    target.write({"samples": rows, "checked": checked}, depends=DEPENDS, seeds=[_SEED])


def _made(target: Target, sample: Sample, scale: Scale) -> dict[str, NDArray[np.int64]]:
    source = sample.source(target.folder, scale.n_minbias)
    what = [str(scale.n_minbias)]
    target.step(sample.title, lambda: source.prepare(scale.n_processes), what)
    return count(read_events(*(file.path for file in source.files())))


def _check(target: Target, delphes: Path) -> bool:
    if not delphes.is_dir():
        print(f"delphes={delphes}: not there, so nothing is compared with Delphes")
        return False
    target.run("against Delphes", "benchmarks.reproduce.simulation", f"delphes={delphes}")
    return True


def count(events: Events) -> dict[str, NDArray[np.int64]]:
    """Return how many elements, tracks and true particles each event has, by name."""
    counts = {}
    for name in _COUNTED:
        running = np.concatenate([[0], np.cumsum(COUNTS[name](events))])
        counts[name.removeprefix("ygen ")] = np.diff(running[events.offsets])
    return counts


def row_of(sample: Sample, counts: dict[str, NDArray[np.int64]]) -> dict[str, Any]:
    """Return mean, spread and ends of each number, and the share of events in published ranges."""
    ranges = PUBLISHED[sample.process] if sample.pileup == 200 else {}
    return {
        "process": sample.process,
        "pileup": sample.pileup,
        "events": sample.n_events,
        "counts": {
            name: {
                "mean": float(values.mean()),
                "std": float(values.std()),
                "min": int(values.min()),
                "max": int(values.max()),
            }
            for name, values in counts.items()
        },
        "published": {
            name: {
                "range": [low, high],
                "inside": float(np.mean((counts[name] >= low) & (counts[name] <= high))),
            }
            for name, (low, high) in ranges.items()
        },
    }


def full_arguments(sample: Sample) -> list[str]:
    """Return the arguments of `python -m mlpf.generate` for a sample of the published set."""
    n_train = 4 * sample.n_events // 5 if sample.process == "ttbar" else 0
    return [
        *(f"data.source.process={sample.process}", f"data.source.pileup={sample.pileup}"),
        *(f"data.source.n_events.train={n_train}", "data.source.n_events.test=0"),
        f"data.source.n_events.val={sample.n_events - n_train}",
        *("data.source.n_minbias=100000", "data.source.events_per_file=500"),
    ]


def print_commands() -> None:
    """Print the commands of SCALE=full, which need no GPU."""
    print("repro-events full: the sizes of the published set, on the cores of one machine.")
    for number, sample in enumerate(FULL, 1):
        core_h = sample.n_events * _CPU_S_PER_EVENT / 3600
        print(f"\n# {number}. {sample.n_events} events of {sample.title}: {core_h:.1f} core-hours")
        print(f"python -m mlpf.generate {' '.join(full_arguments(sample))}")
    print("\nexpected cost from 0.1 s of CPU time per event, estimated")


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Print a line per sample, and one per published range."""
    names = [name.removeprefix("ygen ") for name in _COUNTED]
    print(f"\n{'mean per event':<24}{'events':>7}" + "".join(f"{name:>16}" for name in names))
    for row in rows:
        means = "".join(f"{row['counts'][name]['mean']:>16.1f}" for name in names)
        title = Sample(row["process"], row["pileup"], row["events"]).title
        print(f"{title:<24}{row['events']:>7}{means}")
        for name, found in row["published"].items():
            low, high = found["range"]
            print(f"{'':<24}{found['inside']:>7.0%} inside {low} to {high}: {name}")


def draw(
    path: Path, samples: Sequence[Sample], counts: Sequence[dict[str, NDArray[np.int64]]]
) -> None:
    """Draw the sizes of events, and their particles beside the published ranges."""
    picture = Picture("Events of our own: sizes and true particles", 1, 2)
    picture.figure.set_size_inches(10.2, 4.2)
    picture.figure.subplots_adjust(left=0.09, right=0.98, top=0.87, wspace=0.32)
    sizes, particles = picture.panels
    colors = (GREEN, BLUE, ORANGE, RED)
    for sample, here, color in zip(samples, counts, colors, strict=False):
        sizes.hist(here["elements"], 20, density=True, histtype="step", color=color)
        middle = float(np.median(here["elements"]))
        sizes.annotate(
            sample.title,
            (middle, 0.98 - 0.07 * samples.index(sample)),
            xycoords=sizes.get_xaxis_transform(),
            ha="right" if sample.pileup == 200 else "left",
            va="top",
            fontsize=8.5,
            color=color,
        )
    logarithmic(sizes, "x", (1, 3))
    logarithmic(sizes, "y", (1,))
    sizes.set(xlabel="elements per event", ylabel="density of events")
    _draw_particles(particles, samples, counts, colors)
    picture.save(path)


def _draw_particles(
    panel: Any,
    samples: Sequence[Sample],
    counts: Sequence[dict[str, NDArray[np.int64]]],
    colors: Sequence[str],
) -> None:
    rows: list[str] = []
    for sample, here, color in zip(samples, counts, colors, strict=False):
        for name in CLASSES:
            y = len(rows)
            rows.append(f"{name}\n{sample.title}")
            if sample.pileup == 200 and (ends := PUBLISHED[sample.process].get(name)):
                panel.plot(ends, (y, y), color=GRAY, lw=8, solid_capstyle="butt")
            panel.plot((here[name].min(), here[name].max()), (y, y), color=color, lw=2)
            panel.plot(here[name].mean(), y, "o", color=color, ms=4)
    panel.set_yticks(range(len(rows)), rows, fontsize=6.5)
    panel.invert_yaxis()
    panel.set_xlabel("true particles per event")
    panel.set_title("line: ours, gray: published range", fontsize=9, color=INK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
