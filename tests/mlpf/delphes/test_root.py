from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mlpf.data.events import Events, concatenate
from mlpf.delphes import branches, root
from mlpf.delphes.damage import DamagedFile
from mlpf.delphes.root import open_root

FILES = {"pu0": 20, "pu20": 5, "pu0_skim": 5}


def read(path: Path) -> Events:
    n_events, portions = open_root(path)
    events = concatenate(list(portions))
    assert len(events) == n_events
    return events


@pytest.mark.parametrize(("name", "n_events"), FILES.items())
def test_no_bit_differs_from_the_arrays_of_the_original_program(name, n_events, delphes_file):
    events = read(delphes_file(name))
    expected = np.load(delphes_file(f"{name}_expected").with_suffix(".npz"))
    assert len(events) == n_events
    assert events.offsets.tolist() == expected["offsets"].tolist()
    for key, table in (("X", events.x), ("ygen", events.ygen), ("ycand", events.ycand)):
        assert table.dtype == np.float32
        assert table.tobytes() == expected[key].tobytes(), key


def test_events_are_the_same_whatever_the_number_read_at_once(monkeypatch, delphes_file):
    at_once = read(delphes_file("pu0"))
    monkeypatch.setattr(branches, "CHUNK", 7)  # events
    portions = list(open_root(delphes_file("pu0"))[1])
    assert [len(part) for part in portions] == [7, 7, 6]
    for name in ("x", "ygen", "ycand", "offsets"):
        assert np.array_equal(getattr(concatenate(portions), name), getattr(at_once, name))


def test_the_copied_file_has_the_events_of_the_original(delphes_file):
    # ROOT wrote a number of the process into the upper bits of fUniqueID while it copied.
    original, copied = read(delphes_file("pu0")), read(delphes_file("pu0_skim"))
    chosen = original.take([0, 4, 8, 12, 16])
    for (a, b), event in zip(pairwise(copied.offsets), range(5), strict=True):
        assert np.array_equal(copied.ygen[a:b], chosen.take([event]).ygen)


def test_damage_found_in_a_later_portion_names_the_file_and_the_event(monkeypatch):
    def chunks():
        yield {}
        raise DamagedFile("event 3: Track.PT is nan")

    nothing = Events(np.zeros((0, 12)), np.zeros((0, 7)), np.zeros((0, 7)), np.zeros(4, int))
    monkeypatch.setattr(root, "open_chunks", lambda path: (5, chunks()))
    monkeypatch.setattr(root, "resolve", lambda chunk, first_event: first_event)
    monkeypatch.setattr(root, "label", lambda chunk, links: nothing)
    monkeypatch.setattr(root, "describe", lambda chunk, links: None)
    portions = open_root(Path("a.root"))[1]
    assert len(next(portions)) == 3
    with pytest.raises(DamagedFile, match=r"^a\.root: event 3: Track\.PT is nan$"):
        next(portions)
