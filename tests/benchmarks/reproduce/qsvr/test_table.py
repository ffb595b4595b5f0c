import json

import pytest

from benchmarks.reproduce.qsvr.table import main


def test_every_committed_row_has_its_like_in_a_short_run(curves_csv, qpu, tmp_path, monkeypatch):
    monkeypatch.delenv("DWAVE_API_TOKEN", raising=False)
    arguments = [f"curves={curves_csv}", f"qpu={qpu}", "n_splits=2", "n_jobs=1"]
    assert main([*arguments, f"out={tmp_path}"]) == 0
    rows = json.loads((tmp_path / "benchmark.json").read_text())["rows"]
    assert (tmp_path / "benchmark.png").stat().st_size > 10_000
    kinds = {(row["protocol"], row["model"]): row for row in rows if row["fraction"] == 0.25}
    assert len(rows) == 64
    assert kinds["published", "SVR, published"]["published"] == [0.959, 0.318, 0.889, 0.05]
    assert kinds["published", "SVR, published"]["n_fits"] == 20
    assert kinds["quantile", "SVR, published"]["published"] is None
    recorded = kinds["published", "QSVR, recorded QPU"]
    assert [recorded[key] for key in ("best", "worst")] == pytest.approx(
        [0.9483, 0.7425], abs=1e-4
    )


def test_another_table_is_refused(tmp_path, capsys):
    (tmp_path / "mine.csv").write_text("lr,loss_0,loss_1\n1,2,3\n")
    assert main([f"curves={tmp_path / 'mine.csv'}"]) == 1
    assert "mine.csv: not the published table (make curves)" in capsys.readouterr().err


def test_a_wrong_number_of_splits_is_a_usage_error(capsys):
    assert main(["n_splits=1"]) == 2
    assert "n_splits=1: must be at least 2" in capsys.readouterr().err
