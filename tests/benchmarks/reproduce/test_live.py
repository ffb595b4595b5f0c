from pathlib import Path

import pytest

from benchmarks.reproduce.live import Settings, main, print_rows, row, sweep_command

SUMMARY = {
    "n_trials": {"total": 20, "complete": 3, "pruned": 17, "fail": 0},
    "epochs": {"run": 61, "saved": 179},
    "best": {"number": 4, "value": 0.38125, "params": {}},
    "worker_hours": {"used": 0.02, "saved": 0.06},
}


def test_searches_have_the_same_seed_and_training_and_the_epochs_of_the_first():
    settings = Settings(n_trials=5, epochs=3)
    first = sweep_command(settings, "best", 7, None, Path("out"))
    second = sweep_command(settings, "bohb", 7, 11, Path("out"))
    assert {*first} - {*second} == {"hpo=best", "hpo.n_trials=5"}
    assert {*second} - {*first} == {"hpo=bohb", "hpo.n_trials=1000", "hpo.budget.epochs=11"}
    assert {"trainer.max_epochs=3", "seed=7", "hpo.n_workers=1"} <= {*first}


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


def test_a_search_that_does_not_exist_ends_in_one_line(tmp_path, capfd):
    assert main(["searches=[magic]", f"out={tmp_path}"]) == 1
    assert capfd.readouterr().err.splitlines()[-1] == "error: hpo=magic: the sweep failed"


@pytest.mark.parametrize("key", ["seeds", "searches"])
def test_an_empty_list_is_refused(key, capfd):
    assert main([f"{key}=[]"]) == 2
    assert capfd.readouterr().err.splitlines()[-1] == f"error: {key}=[]: expected at least one"
