from __future__ import annotations

import bz2
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
DELPHES = ROOT.parent / "shared/data/delphes_root/tev14_pythia8_ttbar_pu0_skim.root"


def convert(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlpf.convert", *args]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def src(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    folder.mkdir()
    x = np.ones((3, 12), "f4")
    y = np.zeros((3, 7), "f4")
    good = {"X": [x, x[:2]], "ygen": [y, y[:2]], "ycand": [y, y[:2]]}
    (folder / "good.pkl.bz2").write_bytes(bz2.compress(pickle.dumps(good)))
    return folder


def test_the_command_converts_and_counts_what_there_is_now(src, tmp_path):
    done = convert(f"src={src}", f"dst={tmp_path / 'dst'}", "events_per_file=1")
    assert (done.returncode, done.stdout) == (0, "")
    assert f"2 events in 2 files in {tmp_path / 'dst'}" in done.stderr
    assert sorted(p.name for p in (tmp_path / "dst").iterdir()) == [
        "good.000.parquet",
        "good.001.parquet",
    ]


def test_a_damaged_file_is_one_line_and_a_failure(src, tmp_path):
    bad = {"X": [np.ones((3, 12)), np.ones((3, 5))], "ygen": [np.zeros((3, 7))] * 2, "ycand": []}
    bad["ygen"] = [np.zeros((3, 7)), np.zeros((3, 7))]
    bad["ycand"] = [np.zeros((3, 7)), np.zeros((3, 7))]
    (src / "bad.pkl.bz2").write_bytes(bz2.compress(pickle.dumps(bad)))
    done = convert(f"src={src}", f"dst={tmp_path / 'dst'}")
    assert done.returncode == 1
    assert f"{src}/bad.pkl.bz2: event 1: X has shape (3, 5), need (n, 12)" in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in (tmp_path / "dst").iterdir()] == ["good.parquet"]


def test_a_file_that_would_run_code_is_refused_by_name(src, tmp_path):
    (src / "evil.pkl.bz2").write_bytes(bz2.compress(b"cposix\nsystem\n(Vtouch made\ntR."))
    done = convert(f"src={src}", f"dst={tmp_path / 'dst'}")
    assert done.returncode == 2
    assert f"refused: posix.system in {src}/evil.pkl.bz2" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "dst").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["src={src}"], "Missing mandatory value: dst"),
        (["src={src}/none", "dst={src}"], "none: no *.pkl.bz2 or *.root files there"),
        (["src={src}", "dst={src}", "event_per_file=3"], "event_per_file"),
    ],
)
def test_mistakes_are_answered_without_a_traceback(src, args, message):
    done = convert(*(arg.format(src=src) for arg in args))
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not DELPHES.exists(), reason="needs ../shared/data/delphes_root")
def test_delphes_files_are_converted_and_what_is_none_is_one_line(tmp_path):
    (tmp_path / "good.root").symlink_to(DELPHES)
    (tmp_path / "cut.root").write_bytes(DELPHES.read_bytes()[:50_000])
    (tmp_path / "text.root").write_text("no events")
    done = convert(f"src={tmp_path}/*.root", f"dst={tmp_path / 'dst'}", "n_processes=1")
    assert done.returncode == 1
    assert f"5 events in 1 files in {tmp_path / 'dst'}" in done.stderr
    lines = done.stderr.splitlines()
    assert f"{tmp_path}/cut.root: truncated: 50000 of 201696 bytes are there" in lines
    assert f"{tmp_path}/text.root: not a ROOT file" in lines
    assert "Traceback" not in done.stderr


def test_help_explains_the_keys():
    done = convert("--help")
    assert done.returncode == 0
    for key in ("src=DIR", "dst=DIR", "events_per_file=N", "overwrite=true", "n_processes=N"):
        assert key in done.stdout
