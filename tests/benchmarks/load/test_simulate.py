import json

import pytest

from benchmarks.load.simulate import exponents, main


def test_each_size_is_a_row_per_method(tmp_path):
    out = tmp_path / "simulate.json"
    assert main(["sizes=[[2,10],[4,20]]", f"out={out}"]) == 0
    record = json.loads(out.read_text())
    assert record["processor"]
    sizes = [(row["method"], row["n_workers"], row["n_trials"]) for row in record["rows"]]
    assert sizes[:3] == [("asha", 2, 10), ("asha", 4, 20), ("asha_r4", 2, 10)]
    assert len(sizes) == 6
    assert all(row["epochs"] >= row["n_trials"] for row in record["rows"])


def test_the_exponent_is_that_of_the_trials():
    rows = [{"cpu_s": 2.0, "n_trials": 100}, {"cpu_s": 8.0, "n_trials": 400}]
    assert [row["exponent"] for row in exponents(rows)] == [None, 1.0]
    rows[1]["cpu_s"] = 32.0
    assert exponents(rows)[1]["exponent"] == 2.0


@pytest.mark.parametrize("sizes", ["[[8]]", "[8,200]", "[[0,5]]", "[[a,b]]"])
def test_a_size_that_cannot_be_is_refused(tmp_path, capsys, sizes):
    assert main([f"sizes={sizes}", f"out={tmp_path / 'a.json'}"]) == 2
    assert "expected [workers,trials]" in capsys.readouterr().err
