import os

import pytest

from hpo.study.held import NAME, HeldReports, Report


def test_the_next_process_finds_what_was_held(tmp_path):
    held = HeldReports(tmp_path)
    held.add(Report(2, 0.5))
    held.add(Report(3, 0.25, {"met": 7.0}))
    assert HeldReports(tmp_path).read() == [Report(2, 0.5), Report(3, 0.25, {"met": 7.0})]


def test_what_is_stored_is_forgotten_and_more_may_follow(tmp_path):
    held = HeldReports(tmp_path)
    held.add(Report(2, 0.5))
    held.remove()
    held.remove()
    assert held.read() == []
    held.add(Report(4, 0.1))
    assert held.read() == [Report(4, 0.1)]


def test_lines_that_are_no_reports_are_left_out(tmp_path):
    good = b'[1, 0.5, null]\n[2, 0.5, {"a": 1.0}]\n'
    bad = (
        b"[1, 0.5]",
        b"{}",
        b"7",
        b'[true, 0.5, null]\n[-1, 0.5, null]\n["3", 0.5, null]\n[3, NaN, null]',
        b'[3, "0.5", null]\n[3, 1, null]\n[3, 0.5, []]\n[3, 0.5, {"a": "b"}]',
        b'[3, 0.5, {"a": Infinity}]',
        b"\xff\x00",
        b"[" * 100_000,
        b"[3, 0.",
    )
    (tmp_path / NAME).write_bytes(good + b"\n".join(bad))
    assert HeldReports(tmp_path).read() == [Report(1, 0.5), Report(2, 0.5, {"a": 1.0})]


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/etc/passwd")])
def test_what_is_no_file_holds_nothing(tmp_path, make):
    make(tmp_path / NAME)
    assert HeldReports(tmp_path).read() == []
