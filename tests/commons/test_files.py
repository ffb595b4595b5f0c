from __future__ import annotations

import hashlib
import multiprocessing
import os
from pathlib import Path

from commons.files import locked, sha256


def count_up(folder: Path, n: int) -> None:
    for _ in range(n):
        with locked(folder / "sub" / ".lock"):
            number = folder / "number"
            value = int(number.read_text())
            number.write_text("")  # what another process would trip over
            number.write_text(str(value + 1))


def test_processes_hold_a_lock_one_at_a_time(tmp_path):
    (tmp_path / "number").write_text("0")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=count_up, args=(tmp_path, 200)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert (tmp_path / "number").read_text() == "600"


def hold_and_die(path: Path) -> None:
    with locked(path):
        os._exit(9)


def test_the_lock_of_a_dead_process_is_free(tmp_path):
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=hold_and_die, args=(tmp_path / ".lock",))
    process.start()
    process.join()
    assert process.exitcode == 9
    with locked(tmp_path / ".lock"):
        pass


def test_the_checksum_is_that_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
