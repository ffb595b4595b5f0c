"""Metadata and memory of a file of events."""

import tracemalloc

import numpy as np
import pyarrow.parquet as pq
import pytest

from mlpf.data.files import write_events
from mlpf.data.portions import EventReader


@pytest.fixture
def path(tmp_path, known):
    write_events(known([4, 0, 2]), tmp_path / "a.parquet")
    return tmp_path / "a.parquet"


def test_only_the_tables_asked_for_are_read(path):
    for generator, expected in (
        (False, ("x", "ygen", "ycand")),
        (True, ("x", "ygen", "ycand", "gen")),
    ):
        assert EventReader.open(path, generator=generator).groups == expected
    ((_, events),) = EventReader.open(path, generator=False).portions(None)
    assert events.generator is None


def test_the_number_of_elements_is_known_before_reading(path):
    assert EventReader.open(path, generator=False).max_elements == 7  # an empty event counts as 1


def test_a_file_with_broken_checksums_is_named(path):
    table = pq.read_table(path)
    metadata = table.schema.metadata | {b"checksums": b"3"}
    pq.write_table(table.replace_schema_metadata(metadata), path)
    with pytest.raises(ValueError, match=r"a\.parquet: not a readable Parquet file"):
        EventReader.open(path, generator=False)


def test_memory_is_that_of_a_portion(tmp_path, numbered, monkeypatch):
    monkeypatch.setattr("mlpf.data.layout._PORTION", 1000)
    peaks = []
    for n_events in (20, 200):
        write_events(numbered([100] * n_events), tmp_path / "a.parquet")
        reader = EventReader.open(tmp_path / "a.parquet", generator=False)
        tracemalloc.start()
        total = sum(len(events.x) for _, events in reader.portions(None))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert total == 100 * n_events
    assert peaks[1] < 1.5 * peaks[0]
    assert peaks[1] < np.prod((200 * 100, 26, 4))
