"""What a result records."""

import os
import re
import subprocess

from testbed import machine


def test_a_result_records_the_commit_and_whether_files_differ(tmp_path, monkeypatch):
    def git(*arguments):
        own = ["-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path)]
        done = subprocess.run(["git", *own, *arguments], check=True, capture_output=True)
        return done.stdout.decode().strip()

    (tmp_path / "testbed").mkdir()
    file = tmp_path / "testbed/machine.py"
    file.write_text("1")
    monkeypatch.setattr(machine, "__file__", str(file))
    assert machine.commit() == ""  # no repository
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "a")
    name = git("rev-parse", "HEAD")
    assert machine.commit() == name[:12]
    file.write_text("2")
    assert machine.commit() == name[:12] + "+"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.commit() == ""  # no git


def test_a_result_records_load_processor_and_day():
    assert machine.load() >= 0
    assert machine.processor().endswith(f", {os.cpu_count()} cores")
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", machine.now())
