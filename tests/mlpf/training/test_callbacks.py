"""Reading and writing `metrics.csv`."""

import math

import pytest

from mlpf.config import ConfigError
from mlpf.training.callbacks import read_history, write_history


def test_a_history_comes_back_bit_for_bit(tmp_path):
    history = [
        {"epoch": 1.0, "val_loss": 1 / 3, "val_fake_rate_muon": math.nan},
        {"epoch": 2.0, "val_loss": 1e-17, "val_fake_rate_muon": 0.5},
    ]
    write_history(history, tmp_path / "metrics.csv")
    again = read_history(tmp_path / "metrics.csv")
    assert [row["val_loss"] for row in again] == [1 / 3, 1e-17]
    assert math.isnan(again[0]["val_fake_rate_muon"])
    assert (tmp_path / "metrics.csv").read_text().splitlines()[1].startswith("1,0.333")


def test_no_file_means_no_history(tmp_path):
    assert read_history(tmp_path / "metrics.csv") == []


@pytest.mark.parametrize("text", ["epoch,v\n1,abc\n", "v\n1\n", "epoch\n1,2\n", "epoch\n1\0\n"])
def test_a_damaged_file_is_one_line_with_its_name(tmp_path, text):
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(ConfigError, match=r"metrics\.csv: damaged.*; delete it") as error:
        read_history(tmp_path / "metrics.csv")
    assert "\n" not in str(error.value)
