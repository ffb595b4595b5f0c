"""The command; what it makes needs the `[simulation]` extra."""

import subprocess
import sys

import pytest
from hydra import compose, initialize_config_dir

from mlpf import read_events
from mlpf.config import ConfigError, config_dir
from mlpf.generate import run


def composed(*overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose("generate", overrides=list(overrides))


def test_the_command_makes_what_its_configuration_says(tmp_path):
    cfg = composed(
        f"data.source.folder={tmp_path}",
        "data.source.pileup=0",
        "data.source.n_events={train: 3, val: 0, test: 0}",
        "n_processes=1",
    )
    run(cfg)
    assert len(read_events(tmp_path / "train-000.parquet")) == 3


def test_the_command_refuses_data_that_are_not_generated():
    with pytest.raises(ConfigError, match="choose data=pythia8"):
        run(composed("data=delphes"))


def test_an_interrupted_command_says_how_to_go_on(monkeypatch):
    def interrupt(source, n_processes):
        raise KeyboardInterrupt

    monkeypatch.setattr("mlpf.PythiaSource.prepare", interrupt)
    with pytest.raises(KeyboardInterrupt, match="run the same command to make the missing files"):
        run(composed())


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file/folder"):
        run(composed(f"data.source.folder={tmp_path}/file/folder"))


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "train-000.parquet").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"train-000\.parquet"):
        run(composed(f"data.source.folder={tmp_path}"))


def test_a_wrong_value_is_one_clear_line_and_a_failure(tmp_path):
    command = [sys.executable, "-m", "mlpf.generate", "data.source.pileup=-3"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert result.returncode == 2
    assert "data.source.pileup must be a number from 0 to 1000, got -3" in result.stderr
    assert "Traceback" not in result.stderr
