from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlpf.data.events import Events, concatenate
from mlpf.delphes import sources
from mlpf.delphes.damage import DamagedFile
from mlpf.delphes.root import open_root
from mlpf.delphes.sources import find_sources, open_source
from mlpf.schema import X_COLUMNS, Y_COLUMNS


def read_root(path: Path) -> Events:
    return concatenate(list(open_root(path)[1]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.root", "b.pkl.bz2", "c.root", "c.parquet", "sub/d.root", "sub/e[1].root"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("src", "expected"),
    [
        ("", ["a.root", "b.pkl.bz2", "c.root"]),
        ("a.root", ["a.root"]),
        ("*.root", ["a.root", "c.root"]),
        ("[ab].*", ["a.root", "b.pkl.bz2"]),
        ("*/*.root", ["sub/d.root", "sub/e[1].root"]),
        ("sub/e[1].root", ["sub/e[1].root"]),  # a file of this name comes before a pattern
    ],
)
def test_a_source_is_a_folder_a_file_or_a_pattern(folder, src, expected):
    assert find_sources(f"{folder}/{src}") == [folder / name for name in expected]


@pytest.mark.parametrize(
    ("src", "message"),
    [
        ("none.root", r"none\.root: no \*\.pkl\.bz2 or \*\.root files there"),
        ("*.csv", r"\*\.csv: no \*\.pkl\.bz2 or \*\.root files there"),
        ("c.*", r"c\.parquet is not named \*\.pkl\.bz2 or \*\.root"),
    ],
)
def test_what_is_no_source_is_named(folder, src, message):
    with pytest.raises(ValueError, match=message):
        find_sources(f"{folder}/{src}")


def test_two_sources_of_one_name_are_refused_since_one_result_would_be_lost(folder):
    (folder / "a.pkl.bz2").touch()
    with pytest.raises(ValueError, match=r"a\.pkl\.bz2 and .*a\.root would have one result"):
        find_sources(str(folder))
    (folder / "other").mkdir()
    (folder / "other/d.root").touch()
    with pytest.raises(ValueError, match=r"other/d\.root and .*sub/d\.root would have one result"):
        find_sources(f"{folder}/*/d.root")


def test_events_of_a_delphes_file_get_the_corrections_of_the_published_files(delphes_file):
    n_events, portions = open_source(delphes_file("pu0_skim"))
    (events,) = portions
    published = read_root(delphes_file("pu0_skim"))
    assert n_events == len(events) == 5
    is_track = events.x[:, 0] == 2
    charge, energy = X_COLUMNS.index("charge"), Y_COLUMNS.index("energy")
    assert np.array_equal(events.ygen[is_track, 1], events.x[is_track, charge])
    assert not np.array_equal(events.ygen, published.ygen)
    assert np.array_equal(events.ygen[:, 2:], published.ygen[:, 2:])
    assert (events.ycand[events.ycand[:, 0] > 0, energy] > 0).all()


def test_a_value_beyond_float32_names_the_event_of_the_file_not_of_the_portion(
    monkeypatch, delphes_file
):
    events = read_root(delphes_file("pu0_skim"))
    bad = events.take([0, 1])
    bad.ycand[-1] = 0
    bad.ycand[-1, [0, 2, 3]] = 1, 1.0, 200.0  # cosh(eta)
    path = Path("a.root")
    monkeypatch.setattr(sources, "open_root", lambda path: (7, iter([events, bad])))
    portions = open_source(path)[1]
    assert len(next(portions)) == 5
    with pytest.raises(DamagedFile, match=r"^a\.root: event 6: ycand has a value beyond float32$"):
        next(portions)
