"""The tables of learning curves that policies are compared on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hpo.curves import CurveTable, read_curves

MADE_UP = ("slow", "late")  # of `made_up`


@dataclass(frozen=True)
class Source:
    """A table in a file, see `tables.yaml`."""

    file: str
    family: str
    hps: list[str] | None = None
    prefix: str = "loss_"
    direction: str = "minimize"
    tolerance: float | None = None


@dataclass(frozen=True)
class Problem:
    """A table of learning curves.

    Attributes:
        family: tables of one family share their weight.
        tolerance: distance of final values that means nothing.
    """

    name: str
    family: str
    table: CurveTable
    tolerance: float


def read_sources(path: Path) -> dict[str, Source]:
    """Return the tables of a YAML file by name.

    Raises:
        ValueError: the file is missing or is not what it should be.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: no YAML file that can be read") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected names of tables")
    return {str(name): _source(path, name, node) for name, node in content.items()}


def _source(path: Path, name: Any, node: Any) -> Source:
    known = [field.name for field in fields(Source)]
    if not isinstance(node, dict) or not {"file", "family"} <= set(node):
        raise ValueError(f"{path}: {name} needs a file and a family")
    if unknown := set(node) - set(known):
        raise ValueError(f"{path}: {name} has {min(unknown)}; known: {', '.join(known)}")
    return Source(**node)


def read_problems(sources: dict[str, Source], folder: Path) -> Iterator[Problem]:
    """Read tables from a folder.

    Raises:
        ValueError: a file is not what it should be.
    """
    for name, source in sources.items():
        path = folder / source.file
        table = read_curves(path, source.hps, source.prefix, source.direction)
        tolerance = source.tolerance
        yield Problem(
            name, source.family, table, _tolerance(table) if tolerance is None else tolerance
        )


def _tolerance(table: CurveTable) -> float:
    finals = table.losses[:, -1]
    low, high = np.quantile(finals[np.isfinite(finals)], [0.25, 0.75])
    return 0.01 * float(high - low)


def made_up() -> list[Problem]:
    """Return two small tables without a file: curves of different speeds, and late falls."""
    random = np.random.default_rng(0)
    place = random.random((60, 2))
    ends = np.square(place - 0.3).sum(axis=1, keepdims=True)
    epochs = np.arange(1, 13)
    slow = ends + epochs ** -random.uniform(0.3, 1.2, (60, 1))
    late = ends + 1 / (1 + np.exp(epochs - random.uniform(1, 8, (60, 1))))
    noise = 0.01 * random.standard_normal((2, 60, 12))
    tables = (CurveTable(("x", "y"), place, curves) for curves in np.stack([slow, late]) + noise)
    named = zip(MADE_UP, tables, strict=True)
    return [Problem(name, name, table, _tolerance(table)) for name, table in named]
