import json

import pytest

from benchmarks.reproduce import demo
from benchmarks.reproduce.demo import compare, improvements, lines, winner

TRIALS = """\
number,state,val_loss,epochs
0,COMPLETE,2.0,4
1,PRUNED,0.5,1
2,COMPLETE,2.5,4
11,COMPLETE,1.5,4
"""


@pytest.fixture
def runs(tmp_path):
    """Folders of a default training and of a sweep."""
    default, sweep = tmp_path / "default", tmp_path / "sweep"
    default.mkdir()
    sweep.mkdir()
    head = "epoch,val_loss,val_tower_accuracy,val_met_ratio"
    (default / "metrics.csv").write_text(f"{head}\n1,3.0,0.7,1.2\n2,2.0,0.8,1.1\n3,2.1,0.9,0.5\n")
    summary = {
        "best": {
            "number": 11,
            "value": 1.5,
            "params": {"optimizer.lr": 0.01},
            "figures": {"val_tower_accuracy": 0.85, "val_met_ratio": 0.9, "n_parameters": 7},
        },
        "n_trials": {"total": 12, "complete": 3, "pruned": 5},
        "epochs": {"run": 40, "saved": 60},
    }
    (sweep / "summary.json").write_text(json.dumps(summary))
    (sweep / "trials.csv").write_text(TRIALS)
    return default, sweep


def test_the_comparison_is_of_the_best_epoch_in_loss_and_physics(runs):
    figures = compare(*runs)
    assert figures["relative_decrease"] == 0.25
    assert figures["default"] == {"val_loss": 2.0, "val_tower_accuracy": 0.8, "val_met_ratio": 1.1}
    assert figures["best"] == {"val_loss": 1.5, "val_tower_accuracy": 0.85, "val_met_ratio": 0.9}


def test_the_text_names_physics_winner_epochs_and_pictures(runs):
    default, sweep = runs
    printed = "\n".join(lines(compare(*runs), default, sweep))
    assert "MET error / rules           1.1000      0.9000" in printed
    assert "validation loss 25 % lower, trained as long" in printed
    assert "each better than all before: trial 0 2.0000, trial 11 1.5000" in printed
    assert "trial 11 won" in printed
    assert "3 of 12 trials trained to the end; 40 epochs run, 60 saved" in printed
    assert "optimizer.lr: 0.01" in printed
    assert f"--config-dir={sweep} --config-name=best" in printed


def test_a_pruned_trial_is_no_improvement():
    rows = [
        {"trial": 3, "state": "pruned", "val_loss": 0.1},
        {"trial": 4, "state": "complete", "val_loss": 0.4},
        {"trial": 5, "state": "complete", "val_loss": 0.4},
    ]
    assert improvements(rows) == [{"trial": 4, "val_loss": 0.4}]


@pytest.mark.parametrize(
    ("number", "origin"),
    [(0, "the defaults"), (1, "one of"), (12, "proposed by the model"), (13, "a random draw")],
)
def test_the_text_says_where_the_winner_comes_from(number, origin):
    assert winner(number).startswith(f"trial {number} won: {origin}")


def test_both_commands_are_of_the_same_experiment(runs, monkeypatch, tmp_path):
    called = []
    monkeypatch.setattr(demo, "run", lambda *arguments: called.append(arguments))
    (tmp_path / "demo_short").mkdir()
    for folder in runs:
        folder.rename(tmp_path / "demo_short" / folder.name)
    assert demo.main(["short=true", f"out={tmp_path}"]) == 0
    assert all("experiment=demo_short" in each for each in called)
    assert "hpo=best" in called[1]
    comparison = json.loads((tmp_path / "demo_short/comparison.json").read_text())
    assert comparison["relative_decrease"] == 0.25
