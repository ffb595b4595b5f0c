from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpf.data.events import (
    Events,
    concatenate,
    from_arrays,
    read_events,
    read_provenance,
    write_events,
)


def numbered_events(sizes: list[int], start: int = 0) -> Events:
    """Tracks whose every column differs from row to row, so that a mixed-up row shows."""
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


def assert_equal(a: Events, b: Events) -> None:
    for name in ("x", "ygen", "ycand", "offsets"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), strict=True)


sizes_lists = st.lists(st.integers(0, 6), max_size=8)


@given(sizes_lists, st.data())
def test_taking_events_gives_the_rows_of_each_in_the_asked_order(sizes, data):
    events = numbered_events(sizes)
    indices = data.draw(
        st.lists(st.integers(0, len(sizes) - 1), max_size=10) if sizes else st.just([])
    )
    taken = events.take(indices)
    assert taken.sizes.tolist() == [sizes[i] for i in indices]
    for position, i in enumerate(indices):
        rows = slice(*taken.offsets[position : position + 2])
        original = slice(*events.offsets[i : i + 2])
        np.testing.assert_array_equal(taken.x[rows], events.x[original])
        np.testing.assert_array_equal(taken.ycand[rows], events.ycand[original])


@given(st.lists(sizes_lists, min_size=1, max_size=4))
def test_parts_cut_out_of_a_concatenation_are_the_parts(lists):
    parts = [numbered_events(sizes, 1000 * i) for i, sizes in enumerate(lists)]
    whole = concatenate(parts)
    starts = np.cumsum([0, *map(len, lists)])
    assert len(whole) == starts[-1]
    for part, start, stop in zip(parts, starts, starts[1:], strict=False):
        assert_equal(whole.take(np.arange(start, stop)), part)


@given(sizes_lists, st.data())
def test_selecting_elements_keeps_all_events_and_the_chosen_rows(sizes, data):
    events = numbered_events(sizes)
    n = sum(sizes)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=bool)
    selected = events.select_elements(keep)
    expected = [
        int(keep[a:b].sum()) for a, b in zip(events.offsets, events.offsets[1:], strict=False)
    ]
    assert selected.sizes.tolist() == expected
    np.testing.assert_array_equal(selected.x, events.x[keep])


@settings(max_examples=25, deadline=None)
@given(sizes_lists)
def test_a_parquet_round_trip_changes_nothing(tmp_path_factory, sizes):
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"
    events = numbered_events(sizes)
    write_events(events, path, {"seed": 1, "list": [1, "b"]})
    assert_equal(read_events(path), events)
    assert read_provenance(path) == {"seed": 1, "list": [1, "b"]}


def test_more_events_than_a_row_group_are_read_back(tmp_path):
    events = numbered_events([1, 0, 2] * 900)
    write_events(events, tmp_path / "a.parquet", {})
    assert_equal(read_events(tmp_path / "a.parquet"), events)


def test_arrays_of_both_precisions_become_float32():
    events = from_arrays([np.ones((2, 12))], [np.ones((2, 7), "f4")], [np.ones((2, 7))])
    assert events.x.dtype == events.ycand.dtype == np.float32
    assert events.sizes.tolist() == [2]


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        ([0, 3], "x has shape"),
        ([1, 2], "start at 0"),
        ([0, 3, 2], "never decrease"),
        ([], "x has shape"),
    ],
)
def test_offsets_that_do_not_fit_are_refused(offsets, message):
    x, y = np.zeros((2, 12), np.float32), np.zeros((2, 7), np.float32)
    with pytest.raises(ValueError, match=message):
        Events(x, y, y, np.array(offsets, dtype=np.int64))


def altered_file(tmp_path: Path, change) -> Path:
    """A written file with its table changed by `change`."""
    path = tmp_path / "a.parquet"
    write_events(numbered_events([2, 3]), path, {})
    pq.write_table(change(pq.read_table(path)), path)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.drop_columns(["x_eta", "ycand_pid"]),
            r"missing columns \['x_eta', 'ycand_pid'\]",
        ),
        (lambda t: t.replace_schema_metadata({"schema_version": "0"}), "schema version 0, need 1"),
        (lambda t: t.replace_schema_metadata({}), "schema version none"),
        (
            lambda t: t.set_column(
                2, "x_eta", pa.array([[1.0], [2.0]], pa.large_list(pa.float32()))
            ),
            "x_eta has other numbers of elements",
        ),
        (
            lambda t: t.set_column(
                2, "x_eta", pa.array([[1.0, 1], None], pa.large_list(pa.float32()))
            ),
            "x_eta is large_list<.*>, need lists of float32, none missing",
        ),
        (lambda t: t.set_column(2, "x_eta", pa.array([1.0, 2.0])), "x_eta is double, need lists"),
    ],
)
def test_a_file_of_another_layout_is_refused_by_name(tmp_path, change, message):
    path = altered_file(tmp_path, change)
    with pytest.raises(ValueError, match=f"{path}.*{message}"):
        read_events(path)


@pytest.mark.parametrize("read", [read_events, read_provenance])
def test_a_file_that_is_no_parquet_is_refused_by_name(tmp_path, read):
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1 but not really")
    with pytest.raises(ValueError, match=r"broken\.parquet: not a readable Parquet"):
        read(path)


def test_an_interrupted_write_leaves_no_file_under_the_final_name(tmp_path, monkeypatch):
    def fail(table, path, **options):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(KeyboardInterrupt):
        write_events(numbered_events([1]), tmp_path / "a.parquet", {})
    assert not (tmp_path / "a.parquet").exists()


def test_several_files_are_one_set_of_events_in_their_order(tmp_path):
    parts = [numbered_events([2, 3]), numbered_events([1], 500), numbered_events([0, 4], 900)]
    paths = [str(tmp_path / f"{name}.parquet") for name in "bca"]
    for part, path in zip(parts, paths, strict=True):
        write_events(part, path)
    assert_equal(read_events(*paths), concatenate(parts))
    assert read_provenance(Path(paths[0])) == {}


def test_events_of_double_precision_can_be_read_again(tmp_path):
    events = numbered_events([2, 3])
    double = Events(
        *(a.astype(float) for a in (events.x, events.ygen, events.ycand)), events.offsets
    )
    write_events(double, tmp_path / "double.parquet")
    assert_equal(read_events(tmp_path / "double.parquet"), events)


def test_a_flipped_bit_is_an_error_of_one_line_and_never_another_number(tmp_path):
    path = tmp_path / "a.parquet"
    events = numbered_events([20] * 10)
    write_events(events, path)
    content = path.read_bytes()
    rng, lines = np.random.default_rng(0), []
    for place in rng.integers(4, len(content) - 8, 40):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            assert_equal(read_events(path), events)
        except ValueError as error:
            lines.append(str(error))
    assert len(lines) > 20
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in lines)


@pytest.mark.parametrize("item", [pa.float32(), pa.float64(), pa.int64()])
@pytest.mark.parametrize("kind", [pa.list_, pa.large_list])
def test_lists_as_other_programs_write_them_are_read(tmp_path, item, kind):
    events = numbered_events([2, 3])
    whole = Events(np.rint(events.x), np.rint(events.ygen), np.rint(events.ycand), events.offsets)
    for table in (whole.x, whole.ygen, whole.ycand):
        for sine in (3, 7) if table.shape[1] == 12 else (4,):
            table[:, sine : sine + 2] = 0, 1
    path = tmp_path / "a.parquet"
    write_events(whole, path)
    table = pq.read_table(path)
    columns = [table[name].cast(kind(item)) for name in table.column_names]
    metadata = {"schema_version": "1"}
    pq.write_table(pa.table(columns, table.column_names, metadata=metadata), path)
    assert_equal(read_events(path), whole)


def test_a_missing_number_in_a_list_is_refused(tmp_path):
    lists = pa.array([[1.0, None], [1.0, 2, 3]], pa.large_list(pa.float32()))
    path = altered_file(tmp_path, lambda t: t.set_column(2, "x_eta", lists))
    with pytest.raises(ValueError, match=r"x_eta is large_list.*none missing"):
        read_events(path)


def test_an_impossible_value_is_named_with_file_and_event(tmp_path):
    events = numbered_events([2, 3])
    events.x[3, 5] = np.nan
    write_events(events, tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet: event 1, element 1: x_energy is nan"):
        read_events(tmp_path / "a.parquet")


@pytest.mark.parametrize("read", [read_events, read_provenance])
def test_what_is_no_file_is_refused_without_opening_it(tmp_path, read):
    os.mkfifo(tmp_path / "pipe.parquet")
    (tmp_path / "folder.parquet").mkdir()
    for name, message in (("pipe", "but a pipe"), ("folder", "but a folder"), ("no", "no such")):
        with pytest.raises(ValueError, match=rf"{name}\.parquet: .*{message}"):
            read(tmp_path / f"{name}.parquet")


def test_a_fingerprint_is_of_the_events_and_not_of_their_file(tmp_path):
    events = numbered_events([2, 3])
    write_events(events, tmp_path / "a.parquet", {"made": "today"})
    assert read_events(tmp_path / "a.parquet").fingerprint() == events.fingerprint()
    assert events.take([1, 0]).fingerprint() != events.fingerprint()
    assert numbered_events([3, 2]).fingerprint() != events.fingerprint()
