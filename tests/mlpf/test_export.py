"""The command: exit codes and lines."""

import sys

import pytest

from mlpf.command import run_command
from mlpf.export import main
from mlpf.reconstruction.export import Disagreement
from mlpf.reconstruction.exporting import NotExportable


@pytest.fixture
def export(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["mlpf.export", *arguments])
        try:
            return run_command(main, "export")
        except SystemExit as end:
            return end.code

    return run


def test_a_model_is_a_file_and_not_a_group_of_options(export, capfd):
    assert export("model=nothing.npz", "out=a.onnx") == 2
    assert "nothing.npz: not found; need a run folder or a weight file" in capfd.readouterr().err


@pytest.mark.parametrize(
    "error", [Disagreement("other results"), NotExportable("no such operation")]
)
def test_what_cannot_be_exported_is_a_failure(export, monkeypatch, capfd, error):
    def fail(cfg):
        raise error

    monkeypatch.setattr("mlpf.export.export", fail)
    assert export("run=a", "out=a.onnx") == 1
    assert str(error) in capfd.readouterr().err


def test_the_report_is_shown(export, monkeypatch, capfd):
    monkeypatch.setattr("mlpf.export.export", lambda cfg: f"{cfg.out}: 5 kB [20 events]")
    assert export("run=a", "out=a.onnx") == 0
    assert "a.onnx: 5 kB [20 events]" in capfd.readouterr().err


@pytest.mark.parametrize("arguments", [["run=a"], ["run=a", "out=a.onnx", "owt=a"]])
def test_a_missing_or_unknown_key_is_one_line(export, capfd, arguments):
    assert export(*arguments) == 2
    assert len(capfd.readouterr().err.strip().splitlines()) == 1
