import json

from benchmarks.load.study import main


def test_each_size_has_the_figures_of_ours_and_of_optuna(tmp_path):
    out = tmp_path / "study.json"
    options = ["sizes=[20,40]", "large=30", "asks=1", "samplers=[diverse_tpe,random,grid]"]
    assert main([*options, f"out={out}"]) == 0
    record = json.loads(out.read_text())
    assert record["date"]
    assert [row["n_trials"] for row in record["rows"]] == [20, 40]
    for row in record["rows"]:
        for name in ("claim", "report", "report at a rung", "tell", "driver's look"):
            assert row[name] > 0
        for name in ("diverse_tpe", "random", "grid"):
            assert row[f"ask, {name}"] > 0
        for name in ("ask, TPE", "report", "report at a rung", "all trials"):
            assert row[f"Optuna: {name}"] > 0
        assert {"new worker, s", "RSS, MB", "journal, MB", "load"} <= row.keys()
    assert record["large"]["files"]["summary.json"] > 0
