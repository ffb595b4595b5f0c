"""Events whose rows can be told apart, and their comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import numpy as np
import pytest

from mlpf.data.events import Events
from mlpf.data.generator import Generator
from mlpf.schema import EVENT_COLUMNS, PARTICLE_COLUMNS


@pytest.fixture(scope="session")
def numbered() -> Callable[..., Events]:
    """A function: sizes of events -> tracks whose every column differs from row to row."""

    def events(sizes: Sequence[int], start: int = 0) -> Events:
        n = sum(sizes)
        values = np.arange(n * 26, dtype=np.float32).reshape(n, 26) + start
        values[:, [0, 12, 19]] = 2, 1, 3
        values[:, [2, 6, 15, 22]] %= 7
        values[:, [9, 10, 11, 13, 20]] %= 2
        for sine in (3, 7, 16, 23):
            phi = values[:, sine].copy()
            values[:, sine], values[:, sine + 1] = np.sin(phi), np.cos(phi)
        offsets = np.cumsum([0, *sizes]).astype(np.int64)
        return Events(values[:, :12], values[:, 12:19], values[:, 19:], offsets)

    return events


@pytest.fixture(scope="session")
def known(numbered: Callable[..., Events]) -> Callable[..., Events]:
    """A function: sizes of events -> the same, with a generator that made 3, 0, 2, ... of them."""

    def events(sizes: Sequence[int], start: int = 0) -> Events:
        n_particles = np.resize([3, 0, 2], len(sizes))
        offsets = np.concatenate([[0], np.cumsum(n_particles)]).astype(np.int64)
        whole = {"pid": np.int32, "charge": np.int8, "vertex": np.int32, "n_pileup": np.int32}
        columns = {
            name: (np.arange(n) % 3 + start % 2).astype(whole.get(name, np.float32))
            for names, n in ((PARTICLE_COLUMNS, offsets[-1]), (EVENT_COLUMNS, len(sizes)))
            for name in names
        }
        share = np.linspace(0, 1, sum(sizes), dtype=np.float32)
        made = Generator(**columns, offsets=offsets, pileup_share=share)
        return replace(numbered(sizes, start), generator=made)

    return events


@pytest.fixture(scope="session")
def assert_same() -> Callable[[Events, Events], None]:
    """A function that compares all of two sets of events, types included."""

    def compare(a: Events, b: Events) -> None:
        for name in ("x", "ygen", "ycand", "offsets"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), strict=True)
        assert (a.has_truth, a.has_rules) == (b.has_truth, b.has_rules)
        assert (a.generator is None) == (b.generator is None)
        for field in fields(Generator) if a.generator is not None else ():
            values = (getattr(each.generator, field.name) for each in (a, b))
            np.testing.assert_array_equal(*values, strict=True, err_msg=field.name)

    return compare
