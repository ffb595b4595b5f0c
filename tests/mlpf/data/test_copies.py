"""The copy of a split: where it lies, when it is made again, and what is left behind."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpf.config import FileWriteError
from mlpf.data import copies
from mlpf.data.copies import Chosen, open_events
from mlpf.data.events import from_arrays, no_labels
from mlpf.data.files import read_events, write_events
from mlpf.data.mapped import MappedEvents
from mlpf.data.selection import Selection


def write(path: Path, numbers: list[int], n_elements: int = 4) -> None:
    """Events of towers whose pt is the number of the event."""
    tower = np.array([1, 0, 0, 0, 1, 9, 9, 0, 0, 0, 0, 0], dtype="f4")
    x = [np.tile(tower, (n_elements, 1)) for _ in numbers]
    for event, number in zip(x, numbers, strict=True):
        event[:, 1] = number
    y = [np.zeros((n_elements, 7), dtype="f4")] * len(numbers)
    write_events(from_arrays(x, y, y), path, {})


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Files a and b with events 0, 1, 2 and 3, 4."""
    folder = tmp_path / "events"
    write(folder / "a.parquet", [0, 1, 2])
    write(folder / "b.parquet", [3, 4])
    return sorted(folder.iterdir())


def chosen(files: list[Path], limit: int | None = None, **cuts: float) -> Chosen:
    return Chosen("train", files, Selection(**cuts), limit)


def numbers(events: MappedEvents) -> list[int]:
    taken = events.take(range(len(events)))
    return taken.x[taken.offsets[:-1], 1].astype(int).tolist()


def names(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.iterdir())


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the Parquet files in the order in which they are read."""
    found: list[str] = []
    original = copies.iterate_events

    def read(path: Path):
        found.append(path.name)
        yield from original(path)

    monkeypatch.setattr(copies, "iterate_events", read)
    return found


def test_files_are_read_once_whoever_opens_their_events_afterwards(files, reads):
    assert numbers(open_events(chosen(files))) == [0, 1, 2, 3, 4]
    again = open_events(chosen(files))
    assert numbers(again) == [0, 1, 2, 3, 4]
    assert again.path.parent == files[0].parent / "mapped"
    assert reads == ["a.parquet", "b.parquet"]
    assert names(again.path.parent) == [".arrow"]


def test_a_selection_and_a_limit_have_copies_of_their_own(files, reads, caplog):
    caplog.set_level(logging.INFO)
    assert numbers(open_events(chosen(files, min_pt_gev=2))) == [2, 3, 4]
    assert numbers(open_events(chosen(files, limit=2))) == [0, 1]
    assert reads == ["a.parquet", "b.parquet", "a.parquet"]
    assert numbers(open_events(chosen(files, limit=2, min_pt_gev=1))) == [1, 2]
    assert names(files[0].parent / "mapped") == [".arrow"] * 3
    assert "other copies there: 2, 0 MB" in caplog.text


def test_a_changed_source_makes_a_new_copy_and_removes_the_old_one(files):
    old, other = open_events(chosen(files)), open_events(chosen(files, limit=4))
    (old.path.parent / f".{old.path.name}.0123abcd.partial").write_bytes(b"of a killed process")
    write(files[1], [7, 8])
    new = open_events(chosen(files))
    assert numbers(new) == [0, 1, 2, 7, 8]
    assert numbers(old) == [0, 1, 2, 3, 4]
    assert set(new.path.parent.iterdir()) == {new.path, other.path}


def test_a_moved_folder_takes_its_copies_along(files, tmp_path, reads):
    open_events(chosen(files))
    moved = shutil.move(tmp_path / "events", tmp_path / "elsewhere")
    assert numbers(open_events(chosen([moved / file.name for file in files]))) == [*range(5)]
    assert len(reads) == 2


def test_a_damaged_copy_is_made_again(files, reads, caplog):
    path = open_events(chosen(files)).path
    path.write_bytes(path.read_bytes()[:-50])
    assert numbers(open_events(chosen(files))) == [0, 1, 2, 3, 4]
    assert f"{path} is damaged and will be made again" in caplog.text
    assert len(reads) == 4


def test_processes_that_start_together_make_one_copy(files, reads):
    results: list[list[int]] = []
    work = [
        threading.Thread(target=lambda: results.append(numbers(open_events(chosen(files)))))
        for _ in range(4)
    ]
    for each in work:
        each.start()
    for each in work:
        each.join()
    assert results == [[0, 1, 2, 3, 4]] * 4
    assert reads == ["a.parquet", "b.parquet"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_copy_leaves_nothing(files, monkeypatch, error):
    original = copies.iterate_events

    def read(path: Path):
        if path.name == "b.parquet":
            raise error
        yield from original(path)

    monkeypatch.setattr(copies, "iterate_events", read)
    with pytest.raises(error):
        open_events(chosen(files))
    assert names(files[0].parent / "mapped") == []


def test_a_full_disk_is_one_line_with_a_remedy_and_leaves_nothing(files):
    write(files[1], [3, 4], n_elements=1000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(FileWriteError) as caught:
            open_events(chosen(files))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    folder = files[0].parent / "mapped"
    assert (
        f"(a copy of up to 0.000209 GB; data.cache_dir=DIR: elsewhere): '{folder}/train-"
        in str(caught.value)
    )
    assert "\n" not in str(caught.value)
    assert names(folder) == []


@pytest.fixture
def read_only(files, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of the events cannot be written; returns the one that $TMPDIR names."""
    original, folder = os.access, files[0].parent

    def access(path: Path, mode: int) -> bool:
        return folder not in (path, *path.parents) and original(path, mode)

    monkeypatch.setattr(os, "access", access)
    monkeypatch.setenv("SLURM_TMPDIR", str(tmp_path / "node"))
    return tmp_path / "node" / f"mlpf-{os.getuid()}"


def test_events_in_a_read_only_folder_are_copied_to_the_node(files, read_only, reads):
    for _ in range(2):
        events = open_events(chosen(files))
        assert numbers(events) == [0, 1, 2, 3, 4]
        assert events.path.parent == read_only
    assert not (files[0].parent / "mapped").exists()
    assert len(reads) == 2
    assert read_only.stat().st_mode & 0o777 == 0o700


def test_a_copy_in_a_read_only_folder_is_used(files, monkeypatch, tmp_path):
    made = open_events(chosen(files)).path
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert open_events(chosen(files)).path == made


def test_a_folder_that_others_may_write_is_not_trusted(files, read_only):
    read_only.mkdir(parents=True)
    read_only.chmod(0o777)
    with pytest.raises(ValueError, match=r"not a folder of this user alone: give data\.cache_dir"):
        open_events(chosen(files))


def test_a_chosen_folder_is_used_and_made(files, tmp_path):
    events = open_events(chosen(files), tmp_path / "fast" / "disk")
    assert events.path.parent == tmp_path / "fast" / "disk"
    assert numbers(events) == [0, 1, 2, 3, 4]


def test_a_chosen_folder_that_cannot_be_made_is_named(files, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileWriteError, match=rf"data\.cache_dir=DIR.*'{tmp_path}/file"):
        open_events(chosen(files), tmp_path / "file" / "folder")


def test_what_leaves_no_element_is_named(files):
    with pytest.raises(ValueError, match=r"^train: selection\.min_pt_gev=9 removes everything$"):
        open_events(chosen(files, min_pt_gev=9))
    write(files[0], [])
    with pytest.raises(ValueError, match=r"^train: the files are empty$"):
        open_events(chosen(files[:1]))
    assert names(files[0].parent / "mapped") == []


@pytest.fixture
def portions(files, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files are read two events at a time."""
    monkeypatch.setattr("mlpf.data.layout._PORTION", 8)
    assert [len(part) for part in chosen(files).parts()] == [2, 1, 2]
    return files


@pytest.mark.parametrize("n_elements", [0, 4])
def test_the_cut_that_removes_everything_is_found_in_any_portion(portions, n_elements):
    write(portions[1], [3, 4], n_elements)
    with pytest.raises(ValueError, match=r"^train: selection\.min_pt_gev=8\.5 removes everything"):
        open_events(chosen(portions, min_pt_gev=8.5))


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
def test_a_limit_counts_over_portions_and_files(portions, limit):
    assert numbers(open_events(chosen(portions, limit))) == [0, 1, 2, 3, 4][:limit]


def test_events_without_truth_are_refused_for_training_and_may_be_tested(files):
    labeled = read_events(files[1])
    write_events(replace(labeled, ygen=no_labels(len(labeled.x)), has_truth=False), files[1])
    with pytest.raises(ValueError, match=rf"^{files[1]} has no truth \(columns ygen_\*\), wh"):
        open_events(chosen(files))
    found = open_events(Chosen("test", files, Selection()))
    assert not found.take([0]).has_truth
    assert found.take([0]).has_rules
