"""Reading and writing `metrics.csv`."""

import math

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
