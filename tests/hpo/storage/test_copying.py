"""Copies of a folder in which somebody else writes."""

import os
import threading

import pytest

from hpo.storage import copying
from hpo.storage.copying import appearing, copy_folder


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    monkeypatch.setattr(copying, "_PAUSE_S", 0.01)


@pytest.fixture
def folders(tmp_path):
    for name in ("source/deep", "target"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "source/a").write_text("1")
    (tmp_path / "source/deep/b").write_text("2")
    return tmp_path / "source", tmp_path / "target"


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_a_copy_has_all_files_but_those_that_are_left_out(folders):
    source, target = folders
    (source / "run.log").write_text("3")
    (source / ".hydra").mkdir()
    (source / ".hydra/config.yaml").write_text("4")
    (source / "link").symlink_to("a")
    os.mkfifo(source / "pipe")
    copy_folder(source, target, ["*.log", ".hydra"])
    assert contents(target) == {"a": "1", "deep/b": "2", "link": "1"}
    assert (target / "link").is_symlink()


def test_who_writes_into_a_copy_does_not_change_the_original(folders):
    source, target = folders
    copy_folder(source, target)
    with (target / "a").open("a") as file:
        file.write("more")
    assert (source / "a").read_text() == "1"


def after_each_file(monkeypatch, action):
    """Do something after each file that is copied; return how many were."""
    plain, n = copying._copy, []

    def copy(source, target):
        whole = plain(source, target)
        n.append(target)
        action(len(n))
        return whole

    monkeypatch.setattr(copying, "_copy", copy)
    return n


def replace(path, text):
    path.with_name("new").write_text(text)
    path.with_name("new").replace(path)


def test_files_that_belong_together_are_of_one_moment(folders, monkeypatch):
    source, target = folders

    def epoch(n):
        if n == 1:  # the other file follows: a copy now would mix two epochs
            replace(source / "a", "one later")
            replace(source / "deep/b", "two later")

    copied = after_each_file(monkeypatch, epoch)
    copy_folder(source, target)
    assert contents(target) == {"a": "one later", "deep/b": "two later"}
    assert len(copied) == 4


def test_of_files_that_are_replaced_all_the_time_each_one_is_whole(folders, monkeypatch):
    source, target = folders
    after_each_file(monkeypatch, lambda n: replace(source / "a", f"{n}"))
    copy_folder(source, target)
    assert contents(target)["deep/b"] == "2"
    assert int(contents(target)["a"]) > 10


def test_a_file_that_is_written_while_it_is_read_is_refused(folders, monkeypatch):
    source, target = folders
    plain = copying.shutil.copyfileobj

    def copy(reading, writing, size):
        plain(reading, writing, size)
        if reading.name.endswith("a"):
            with (source / "a").open("a") as file:
                file.write("x")

    monkeypatch.setattr(copying.shutil, "copyfileobj", copy)
    with pytest.raises(OSError, match=f"it changes whenever it is read: '{source}/a'"):
        copy_folder(source, target)


def test_a_checkpoint_that_another_thread_overwrites_is_never_torn(folders):
    source, target = folders
    stop = threading.Event()

    def train():
        n = 0
        while not stop.is_set():
            n += 1
            replace(source / "a", f"{n % 10}" * 200_000)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        for number in range(5):
            (target / f"{number}").mkdir()
            copy_folder(source, target / f"{number}", ["new"])
    finally:
        stop.set()
        thread.join()
    copies = [(target / f"{n}/a").read_text() for n in range(5)]
    assert all(len(text) == 200_000 and len(set(text)) == 1 for text in copies if text != "1")


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "trials/0007"

    def killed():
        with appearing(folder) as partial:
            (partial / "a").write_text("1")
            assert not folder.exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert not [*tmp_path.rglob("a")]
    with appearing(folder) as partial:
        (partial / "a").write_text("2")
    assert contents(folder) == {"a": "2"}
    assert [path.name for path in folder.parent.iterdir()] == ["0007"]


def test_what_a_killed_process_has_left_is_removed(tmp_path):
    (tmp_path / ".0007.abcd.partial/deep").mkdir(parents=True)
    (tmp_path / ".0017.abcd.partial").mkdir()
    with appearing(tmp_path / "0007"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".0017.abcd.partial", "0007"]


def test_the_folder_of_a_faster_process_stays(tmp_path):
    with appearing(tmp_path / "a") as slow:
        (slow / "slow").touch()
        (tmp_path / "a").mkdir()
        (tmp_path / "a/fast").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "fast"]
