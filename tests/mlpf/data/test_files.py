"""Events on disk: what is written comes back, and what is wrong with a file is one line."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpf.data.events import Events, concatenate
from mlpf.data.files import iterate_events, read_events, read_provenance, write_events


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 6), max_size=8), st.booleans(), st.booleans(), st.booleans())
def test_a_round_trip_changes_nothing(
    tmp_path_factory, known, assert_same, sizes, has_truth, has_rules, generator
):
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"
    events = known(sizes)
    events.ygen[:] *= has_truth
    events.ycand[:] *= has_rules
    events = replace(events, has_truth=has_truth, has_rules=has_rules)
    write_events(events, path, {"seed": 1, "list": [1, "b"]})
    expected = events if generator else replace(events, generator=None)
    assert_same(read_events(path, generator=generator), expected)
    assert read_provenance(path) == {"seed": 1, "list": [1, "b"]}


def version_1(events: Events, path: Path) -> Path:
    """Write events as the first schema had them: all labels, no generator, no checksums."""
    write_events(replace(events, generator=None), path)
    table = pq.read_table(path).replace_schema_metadata({"schema_version": "1"})
    pq.write_table(table, path)
    return path


def test_files_of_the_first_schema_are_read(tmp_path, numbered, assert_same):
    path = version_1(numbered([2, 0, 3]), tmp_path / "a.parquet")
    for generator in (False, True):
        assert_same(read_events(path, generator=generator), numbered([2, 0, 3]))


def test_files_of_the_first_schema_have_all_labels(tmp_path, numbered):
    path = version_1(replace(numbered([2]), has_truth=False), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet: missing columns \['ygen_pid'"):
        read_events(path)


def test_files_with_different_columns_give_what_they_share(tmp_path, known, assert_same):
    real = replace(known([1]), has_truth=False)
    parts = [known([2, 3]), real, replace(known([4]), generator=None)]
    paths = [tmp_path / f"{i}.parquet" for i in range(3)]
    for part, path in zip(parts, paths, strict=True):
        write_events(part, path)
    events = read_events(*paths, generator=True)
    assert (events.has_truth, events.has_rules, events.generator) == (False, True, None)
    assert not events.ygen.any()
    np.testing.assert_array_equal(events.ycand, concatenate(parts).ycand)
    assert_same(read_events(*paths[::2], generator=True), concatenate(parts[::2]))


def altered_file(events: Events, path: Path, change) -> Path:
    """A written file with its table changed by `change`."""
    write_events(events, path, {})
    pq.write_table(change(pq.read_table(path)), path)
    return path


def lists_of_eta(*lists: list[float | None] | None):
    column = pa.array(lists, pa.large_list(pa.float32()))
    return lambda table: table.set_column(2, "x_eta", column)


def instead(name: str, values: list):
    return lambda table: table.drop_columns(name).append_column(name, [values])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["x_eta", "ycand_pid"]), r"columns \['x_eta', 'ycand_pid'\]"),
        (lambda t: t.drop_columns(["gen_z", "gen_met_px"]), r"columns \['gen_z', 'gen_met_px'\]"),
        (lambda t: t.replace_schema_metadata({"schema_version": "0"}), "version 0, need 1 or 2"),
        (lambda t: t.replace_schema_metadata({}), "schema version none"),
        (lists_of_eta([1.0], [2.0, 2, 2]), "event 0: column x_eta has 1 values, x_type has 2"),
        (lists_of_eta([1.0, 1], None), "event 1: column x_eta has a missing value"),
        (lists_of_eta([1.0, None], [1.0, 1, 1]), "event 0: column x_eta has a missing value"),
        (instead("x_eta", [1.0, 2.0]), "column x_eta is double, need lists of numbers"),
        (instead("x_eta", [["a"], ["b"]]), "column x_eta is list<.*string>, need lists"),
        (instead("gen_met_px", ["a", "b"]), "column gen_met_px is string, need numbers"),
        (instead("gen_met_px", [None, 2]), "event 0: column gen_met_px has a missing value"),
        (instead("gen_pid", [[2**40] * 3, []]), "event 0: column gen_pid is not of large_list"),
    ],
)
def test_a_file_of_another_layout_is_refused_by_name(tmp_path, known, change, message):
    path = altered_file(known([2, 3]), tmp_path / "a.parquet", change)
    with pytest.raises(ValueError, match=f"{path}.*{message}"):
        read_events(path, generator=True)


@pytest.mark.parametrize("read", [read_events, read_provenance])
def test_a_file_that_is_no_parquet_is_refused_by_name(tmp_path, read):
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1 but not really")
    with pytest.raises(ValueError, match=r"broken\.parquet: not a readable Parquet"):
        read(path)


def test_an_interrupted_write_leaves_no_file_under_the_final_name(tmp_path, numbered, monkeypatch):
    def fail(writer, table, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(pq.ParquetWriter, "write_table", fail)
    with pytest.raises(KeyboardInterrupt):
        write_events(numbered([1]), tmp_path / "a.parquet", {})
    assert not (tmp_path / "a.parquet").exists()


def test_several_files_are_one_set_of_events_in_their_order(tmp_path, numbered, assert_same):
    parts = [numbered([2, 3]), numbered([1], 500), numbered([0, 4], 900)]
    paths = [str(tmp_path / f"{name}.parquet") for name in "bca"]
    for part, path in zip(parts, paths, strict=True):
        write_events(part, path)
    assert_same(read_events(*paths), concatenate(parts))
    assert read_provenance(Path(paths[0])) == {}


def test_events_of_double_precision_can_be_read_again(tmp_path, numbered, assert_same):
    events = numbered([2, 3])
    tables = (getattr(events, name).astype(float) for name in ("x", "ygen", "ycand"))
    write_events(Events(*tables, events.offsets), tmp_path / "double.parquet")
    assert_same(read_events(tmp_path / "double.parquet"), events)


def only_ones(column: str):
    def change(table):
        i = table.column_names.index(column)
        values = [[1.0] * len(row) for row in table[column].to_pylist()]
        return table.set_column(i, column, pa.array(values, table[column].type))

    return change


def test_values_that_were_changed_after_writing_are_noticed(tmp_path, known):
    for column, name in (("x_pt", "x"), ("ycand_eta", "ycand"), ("gen_energy", "gen_energy")):
        path = altered_file(known([2, 3]), tmp_path / "a.parquet", only_ones(column))
        message = rf"a\.parquet: the values of {name} are not those that were written"
        with pytest.raises(ValueError, match=message):
            read_events(path, generator=True)
    assert len(read_events(path)) == 2  # what is not read is not compared


def test_a_flipped_bit_is_an_error_and_never_another_number(tmp_path, numbered, assert_same):
    path = tmp_path / "a.parquet"
    events = numbered([20] * 10)
    write_events(events, path)
    content = path.read_bytes()
    rng, lines = np.random.default_rng(0), []
    for place in rng.integers(4, len(content) - 8, 40):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            assert_same(read_events(path), events)
        except ValueError as error:
            lines.append(str(error))
    assert len(lines) > 20
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in lines)


@pytest.mark.parametrize("item", [pa.float32(), pa.float64(), pa.int64()])
@pytest.mark.parametrize("kind", [pa.list_, pa.large_list])
def test_lists_as_other_programs_write_them_are_read(tmp_path, numbered, assert_same, item, kind):
    events = numbered([2, 3])
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
    assert_same(read_events(path), whole)


def test_an_impossible_value_is_named_with_file_and_event(tmp_path, numbered):
    events = numbered([2, 3])
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


def test_portions_are_small_and_together_the_events(tmp_path, known, assert_same, monkeypatch):
    monkeypatch.setattr("mlpf.data.layout._PORTION", 8)
    events = known([3, 0, 2, 4, 20, 0, 1, 5])
    write_events(events, tmp_path / "a.parquet")
    portions = [*iterate_events(tmp_path / "a.parquet", generator=True)]
    assert max(len(part) for _, part in portions) == 1
    assert np.concatenate([numbers for numbers, _ in portions]).tolist() == [*range(8)]
    assert_same(concatenate([part for _, part in portions]), events)
    assert_same(read_events(tmp_path / "a.parquet", generator=True), events)


def test_a_broken_event_is_named_and_left_out(tmp_path, numbered, assert_same, monkeypatch):
    monkeypatch.setattr("mlpf.data.layout._PORTION", 4)
    events = numbered([2, 1, 2, 0, 3, 1])
    events.x[3, 5] = np.nan
    lists = ([0, 1.0], [None], [6.0, 4], [], [2.0, 0, 5], [3.0, 3])
    path = altered_file(events, tmp_path / "a.parquet", lists_of_eta(*lists))
    problems = []
    portions = [*iterate_events(path, on_problem=problems.append)]
    assert problems == [
        f"{path}: event 1: column x_eta has a missing value",
        f"{path}: event 2, element 0: x_energy is nan, need a number from 0 to 1e+06",
        f"{path}: event 5: column x_eta has 2 values, x_type has 1",
    ]
    assert np.concatenate([numbers for numbers, _ in portions]).tolist() == [0, 3, 4]
    expected = events.take([0, 3, 4])
    expected.x[:, 2] = [0, 1, 2, 0, 5]
    assert_same(concatenate([part for _, part in portions]), expected)
    with pytest.raises(ValueError, match=r"a\.parquet: event 1: column x_eta has a missing value"):
        read_events(path)


def test_a_broken_value_of_the_generator_is_named(tmp_path, known):
    for name, row, message in (
        ("phi", 4, r"event 2, particle 1: gen_phi is 9, need a number from -3\.1416"),
        ("met_px", 1, "event 1: gen_met_px is nan"),
        ("pileup_share", 5, "event 1, element 2: gen_pileup_share is 9"),
    ):
        events = known([3, 3, 2])
        getattr(events.generator, name)[row] = np.nan if name == "met_px" else 9
        write_events(events, tmp_path / "a.parquet")
        with pytest.raises(ValueError, match=message):
            read_events(tmp_path / "a.parquet", generator=True)


def test_damage_in_the_middle_of_a_file_is_named_where_it_is_read(tmp_path, numbered, monkeypatch):
    monkeypatch.setattr("mlpf.data.layout._PORTION", 400)
    path = tmp_path / "a.parquet"
    write_events(numbered([100] * 40), path)
    content = bytearray(path.read_bytes())
    place = content.index(b"PAR1", 4) // 2
    content[place : place + 8] = bytes(8)
    path.write_bytes(content)
    read = []
    with pytest.raises(ValueError, match=r"a\.parquet: not a readable Parquet file"):
        read.extend(numbers[0] for numbers, _ in iterate_events(path, on_problem=print))
    assert 0 < len(read) < 10


def test_portions_make_the_file_that_all_events_at_once_make(known, tmp_path):
    events = known([3, 0, 2])
    write_events((events.take([i]) for i in range(len(events))), tmp_path / "a.parquet", {"a": 1})
    write_events(events, tmp_path / "b.parquet", {"a": 1})
    first, second = (pq.read_table(tmp_path / f"{name}.parquet") for name in "ab")
    assert first.equals(second, check_metadata=True)
    assert read_provenance(tmp_path / "a.parquet") == {"a": 1}


def test_a_portion_that_fails_leaves_no_file(known, tmp_path):
    def portions():
        yield known([3])
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        write_events(portions(), tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []
