from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from commons.files import _is_of_one_host, is_of_one_host, replacing, sha256, write_json


def test_the_checksum_is_that_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_a_file_is_replaced_as_a_whole_and_its_folder_made(tmp_path):
    target = tmp_path / "new" / "a.json"
    for text in ("first", "second"):
        with replacing(target) as partial:
            partial.write_text(text)
            assert partial.parent == target.parent
            assert not target.exists() or target.read_text() == "first"
    assert target.read_text() == "second"
    assert list(target.parent.iterdir()) == [target]


def write_half(target: Path, error: type[BaseException]) -> None:
    with replacing(target) as partial:
        partial.write_text("half")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path, error):
    target = tmp_path / "a"
    target.write_text("old")
    with pytest.raises(error):
        write_half(target, error)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_names_the_file_that_was_asked_for(tmp_path):
    target = tmp_path / "a"
    with pytest.raises(OSError, match="No space") as raised, replacing(target):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert raised.value.filename == str(target)


def test_an_error_about_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as raised, replacing(tmp_path / "a"):
        (tmp_path / "other").read_text()
    assert raised.value.filename == str(tmp_path / "other")


def test_content_and_folder_are_synced_before_the_end(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda fd: synced.append(Path(f"/proc/self/fd/{fd}").readlink())
    )
    with replacing(tmp_path / "a") as partial:
        partial.write_text("x")
    assert synced == [partial, tmp_path]


def test_json_is_written_for_people_to_read(tmp_path):
    write_json(tmp_path / "new" / "a.json", {"a": [1]})
    assert (tmp_path / "new" / "a.json").read_text() == '{\n "a": [\n  1\n ]\n}\n'


def test_json_with_a_number_that_is_not_finite_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"mean": float("nan")})
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize(
    ("path", "expected"), [("/dev/shm", True), ("/proc/self/status", False), ("/sys", False)]
)
def test_a_file_system_counts_as_of_one_host_if_its_kind_is_known(path, expected):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert is_of_one_host(descriptor) is expected
    finally:
        os.close(descriptor)


def test_a_device_that_is_not_mounted_here_is_not_known_to_be_of_this_host():
    assert _is_of_one_host(os.makedev(4000, 4000)) is False
