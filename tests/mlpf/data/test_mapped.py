"""A file of events that processes map into memory."""

from __future__ import annotations

import mmap
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpf.data.events import Events, concatenate
from mlpf.data.mapped import ROW_BYTES, MappedEvents


def numbered(sizes: list[int], first: int = 0) -> Events:
    """Events whose values all differ, so that a mixed-up row shows."""
    offsets = np.cumsum([0, *sizes]).astype(np.int64)
    values = np.arange(first, first + offsets[-1] * 26, dtype=np.float32).reshape(-1, 26)
    return Events(values[:, :12], values[:, 12:19], values[:, 19:], offsets)


def assert_equal(a: Events, b: Events) -> None:
    for name in ("x", "ygen", "ycand", "offsets"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), strict=True)


def rows(events: Events) -> list[np.ndarray]:
    return [events.x, events.ygen, events.ycand]


def mapped(path: Path, *parts: Events) -> MappedEvents:
    MappedEvents.write(path, parts)
    return MappedEvents(path)


def resident_bytes(path: Path) -> int:
    """Memory of this process in pages of the file."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    starts = [i for i, line in enumerate(lines) if line.endswith(str(path))]
    fields = [next(line for line in lines[i:] if line.startswith("Rss:")) for i in starts]
    return sum(int(field.split()[1]) * 1024 for field in fields)


lists_of_sizes = st.lists(st.lists(st.integers(0, 6), max_size=5), min_size=1, max_size=4)


@settings(max_examples=50, deadline=None)
@given(lists_of_sizes, st.data())
def test_events_of_any_parts_come_back_in_the_asked_order(tmp_path_factory, lists, data):
    parts = [numbered(sizes, 10_000 * i) for i, sizes in enumerate(lists)]
    whole = concatenate(parts)
    events = mapped(tmp_path_factory.mktemp("mapped") / "a.arrow", *parts)
    assert len(events) == len(whole)
    np.testing.assert_array_equal(events.sizes, whole.sizes, strict=True)
    numbers = st.integers(0, max(len(whole) - 1, 0))
    chosen = data.draw(st.lists(numbers, max_size=10 if len(whole) else 0))
    events.prefetch(np.array(chosen, dtype=np.int64))
    assert_equal(events.take(chosen), whole.take(chosen))


def test_any_arrow_library_reads_the_file_and_nothing_in_it_is_packed(tmp_path):
    events = numbered([300, 0, 200])
    MappedEvents.write(tmp_path / "a.arrow", [events])
    table = pa.ipc.open_file(tmp_path / "a.arrow").read_all()
    rows = table["elements"].to_pylist()
    assert [len(row) for row in rows] == [300, 0, 200]
    assert rows[2][0]["ygen"] == events.ygen[300].tolist()
    assert (tmp_path / "a.arrow").stat().st_size == pytest.approx(500 * ROW_BYTES, abs=3000)


def test_values_of_double_precision_are_stored_as_float32(tmp_path):
    events = numbered([2, 3])
    tables = [table.astype(float) for table in rows(events)]
    found = mapped(tmp_path / "a.arrow", Events(*tables, events.offsets))
    assert_equal(found.take([0, 1]), events)


def test_a_fingerprint_is_of_the_events_and_not_of_their_parts(tmp_path):
    first, second = numbered([2, 3]), numbered([4], 500)
    names = iter("abcdefgh")

    def fingerprint(*parts: Events) -> str:
        return mapped(tmp_path / next(names), *parts).fingerprint()

    whole = fingerprint(first, second)
    assert whole == fingerprint(concatenate([first, second]))
    assert whole not in {fingerprint(second, first), fingerprint(first)}
    assert fingerprint(numbered([2, 3])) != fingerprint(numbered([3, 2]))
    other = numbered([2, 3])
    other.ycand[4, 6] += 1
    assert fingerprint(first) != fingerprint(other)


def test_memory_does_not_grow_with_the_events_that_were_read(tmp_path, monkeypatch):
    monkeypatch.setattr("mlpf.data.mapped._MAX_TOUCHED", 2**20)
    events = mapped(tmp_path / "a.arrow", *[numbered([1000] * 20, i) for i in range(10)])
    assert events.path.stat().st_size > 19 * 2**20
    most = 0
    for start in range(0, 200, 4):
        events.take(range(start, start + 4))
        if start % 20 == 0:
            most = max(most, resident_bytes(events.path))
    assert 2**18 < most < 5 * 2**20  # pages are mapped in groups


def test_the_system_is_asked_for_all_pages_of_the_next_events(tmp_path):
    parts = [numbered([1000, 0, 500]), numbered([700], 1000)]
    events, content = mapped(tmp_path / "a.arrow", *parts), (tmp_path / "a.arrow").read_bytes()
    asked: list[tuple[int, int, int]] = []
    events._map = SimpleNamespace(madvise=lambda *advice: asked.append(advice))
    events.prefetch(np.array([2, 1, 3]))
    assert {option for option, _, _ in asked} == {mmap.MADV_WILLNEED}
    assert all(start % mmap.PAGESIZE == 0 for _, start, _ in asked)
    places = [content[start : start + length] for _, start, length in asked]
    tables = [t.tobytes() for i in (2, 3) for t in rows(concatenate(parts).take([i]))]
    assert len(places) == 6
    assert all(there.endswith(table) for there, table in zip(places, tables, strict=True))


def test_events_go_to_another_process_as_a_path(tmp_path):
    events = mapped(tmp_path / "a.arrow", numbered([2, 3]))
    message = pickle.dumps(events)
    assert len(message) < 500
    assert_equal(pickle.loads(message).take([1]), events.take([1]))


def test_a_removed_or_replaced_file_stays_as_it_was_for_those_who_mapped_it(tmp_path):
    path = tmp_path / "a.arrow"
    events = mapped(path, numbered([2, 3]))
    path.unlink()
    MappedEvents.write(path, [numbered([1], 99)])
    assert_equal(events.take([0, 1]), numbered([2, 3]))


def test_a_file_that_is_not_whole_is_refused(tmp_path):
    path = tmp_path / "a.arrow"
    MappedEvents.write(path, [numbered([2, 3]), numbered([4])])
    content = path.read_bytes()
    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"cannot mmap an empty file|\w"):
            MappedEvents(path)


def test_other_columns_are_refused(tmp_path):
    path = tmp_path / "a.arrow"
    table = pa.table({"elements": [1, 2]})
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(ValueError, match=r"a\.arrow: other columns than those of mapped events"):
        MappedEvents(path)


@pytest.mark.parametrize("offsets", [[0, 9, 5], [1, 2, 5], [0, 2, 4], [0, 2, 6], [0, -1, 5]])
def test_offsets_that_lead_elsewhere_are_refused(tmp_path, offsets):
    path = tmp_path / "a.arrow"
    MappedEvents.write(path, [numbered([2, 3])])
    content, good = path.read_bytes(), np.array([0, 2, 5]).tobytes()
    assert content.count(good) == 1
    path.write_bytes(content.replace(good, np.array(offsets).tobytes()))
    with pytest.raises(ValueError, match=r"offset|Offset|length"):
        MappedEvents(path)
