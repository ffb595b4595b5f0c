import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reproduce import algorithms
from benchmarks.reproduce.algorithms import (
    SEARCHES,
    SIZES,
    cluster_commands,
    curve,
    draw,
    main,
    print_replayed,
    print_rows,
    replayed,
    row,
    sweep_arguments,
)
from benchmarks.reproduce.traces import Trace

ROOT = Path(__file__).parents[3]
SUMMARY = {
    "n_trials": {"total": 20, "complete": 3, "pruned": 17, "fail": 0},
    "epochs": {"run": 61, "saved": 179},
    "best": {"number": 4, "value": 0.38125, "params": {}},
    "worker_hours": {"used": 0.02, "saved": 0.06},
    "cost": {"core_h": 0.02},
}


def test_searches_have_the_same_seed_and_training_and_the_epochs_of_the_first():
    scale = replace(SIZES["small"], n_trials=5, epochs=3)
    first = sweep_arguments(scale, "best", 7, None, Path("out"))
    second = sweep_arguments(scale, "bohb", 7, 11, Path("out"))
    assert {*first} - {*second} == {"hpo=best", "hpo.n_trials=5"}
    assert {*second} - {*first} == {"hpo=bohb", "hpo.n_trials=1000", "hpo.budget.epochs=11"}
    assert {"trainer.max_epochs=3", "seed=7", "hpo.n_workers=1"} <= {*first}


def test_freeze_thaw_has_a_number_of_trials_because_all_of_them_begin():
    arguments = sweep_arguments(SIZES["small"], "freeze_thaw", 1, 160, Path("out"))
    assert {"hpo.n_trials=30", "hpo.budget.epochs=160"} <= {*arguments}


def test_every_search_is_an_option():
    assert all((ROOT / "conf/hpo" / f"{search}.yaml").is_file() for search in SEARCHES)


def test_each_sweep_and_the_mean_of_each_search_have_a_line(capsys):
    worse = {**SUMMARY, "best": {"value": 0.5}}
    rows = [
        row("best", 1, SUMMARY),
        row("best", 2, worse),
        row("bohb", 1, {**SUMMARY, "best": None}),
    ]
    print_rows(rows)
    lines = capsys.readouterr().out.split("\n")[2:]
    assert lines[0].split() == ["best", "1", "61", "0.3812", "3", "17", "72"]
    assert lines[2].split() == ["bohb", "1", "61", "-", "3", "17", "72"]
    assert lines[5].split() == ["best", "0.4406", "0.3812", "to", "0.5000"]
    assert lines[6].split() == ["bohb", "-", "1", "without", "any"]


def test_the_mean_of_a_search_ends_with_its_shortest_sweep(tmp_path):
    one = Trace(np.array([4.0, 2.0]), np.array([10.0, 20.0]))
    other = Trace(np.array([2.0, 2.0, 1.0]), np.array([10.0, 40.0, 50.0]))
    here = curve([one, other])
    assert here["epochs"]["at"][-1] == 2
    assert here["epochs"]["best"][-1] == 2.0
    assert here["epochs"]["best"][0] is None  # no sweep has reported yet
    assert here["seconds"]["at"][-1] == 20
    assert here["seconds"]["best"][100] == 3.0  # after 10 s
    picture = tmp_path / "a.png"
    draw(picture, {"best": here, "random": here}, 2)
    assert picture.stat().st_size > 10_000


def test_what_was_replayed_is_read_from_the_results_of_the_policies(tmp_path, capsys):
    figures = {"workers": 1, "share": 0.5, "share_reload": 0.6, "p": 0.9, "worst_p": 0.8}
    figures |= {"gap": 0.1, "tables": 7}
    overall = [{"method": m, **figures} for m in ("asha", "ladder", "svr")]
    overall.append({**overall[0], "workers": 8, "share": 9.0})
    path = tmp_path / "policies.json"
    path.write_text(json.dumps({"overall": overall, "samplers": [{"method": "random_svr"}]}))
    result = replayed(path)
    assert {s: f["share"] for s, f in result["pools"].items()} == {"best": 0.5, "asha": 0.5}
    assert result["samplers"] == []
    print_replayed(result)
    assert capsys.readouterr().out.splitlines()[-1].split() == [
        "asha",
        "7",
        "0.50",
        "0.90",
        "0.80",
    ]
    assert replayed(tmp_path / "nothing.json") is None


def test_the_published_size_is_a_command_for_each_search(capsys):
    assert main(["scale=full"]) == 0
    assert [c.arguments[3] for c in cluster_commands()] == [f"hpo={s}" for s in SEARCHES]
    assert capsys.readouterr().out.count("hpo.budget.epochs=4000") == len(SEARCHES)


def test_sweeps_that_have_ended_are_taken_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begun = []

    def end(module, *arguments):
        folder = Path(arguments[-1].partition("=")[2])
        begun.append((module, folder))
        (folder / "trials/0000").mkdir(parents=True)
        (folder / "summary.json").write_text(json.dumps(SUMMARY))
        report = {"op_code": 7, "trial_id": 0, "step": 1, "intermediate_value": 0.5}
        (folder / "journal.log").write_text(json.dumps(report))
        (folder / "trials.csv").write_text("number,seconds\n0,3\n")
        (folder / "trials/0000/metrics.csv").write_text("epoch,seconds\n1,2\n")

    monkeypatch.setattr(algorithms, "run", end)
    for _ in range(2):
        assert main(["scale=tiny", f"sweeps={tmp_path / 'mine'}"]) == 0
    names = ["best-3-3-1", "random-3-3-1"]
    assert begun == [("mlpf.train", tmp_path / "mine" / name) for name in names]
    result = json.loads((tmp_path / "results/repro_algorithms_tiny.json").read_text())
    assert result["curves"]["best"]["seconds"]["at"][-1] == 3.0
    assert result["replayed"] is None
    assert result["record"]["seeds"] == [1]


def test_a_scale_that_does_not_exist_is_one_line(capfd):
    assert main(["scale=large"]) == 2
    assert "scale=large" in capfd.readouterr().err


@pytest.mark.parametrize("search", SEARCHES)
def test_every_search_has_a_color(search):
    assert search in algorithms._COLORS
