import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reproduce import hpo, variability
from tests.benchmarks.reproduce.test_trainings import trained


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """Stand in for the commands: write what they would, remember how they were called."""
    calls = []

    def run(module, *arguments):
        options = dict(a.split("=", 1) for a in arguments if "=" in a)
        calls.append((module, options))
        folder = Path(options["hydra.sweep.dir"])
        if "hpo" in options:
            folder.mkdir(parents=True)
            params = {"optimizer.lr": 0.01} if folder.name == "stage1" else {"model.bin_size": 16}
            (folder / "summary.json").write_text(json.dumps({"best": {"params": params}}))
            header = "number,state,val_loss,epochs"
            (folder / "trials.csv").write_text(f"{header}\n0,COMPLETE,2.0,4\n1,PRUNED,3.0,1\n")
            return
        losses = {"default": [4.0, 2.0, 2.0, 2.0], "found": [3.0, 1.0, 1.0, 1.0]}[folder.name]
        for i, _ in enumerate(options["seed"].split(",")):
            trained(folder / str(i), [loss + i for loss in losses])

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("benchmarks.reproduce.scales.run", run)
    return calls


def test_mean_deviation_and_relative_decrease_of_the_best_epochs(commands, tmp_path, capsys):
    assert hpo.main(["scale=tiny"]) == 0
    result = json.loads((tmp_path / "results/repro_hpo_tiny.json").read_text())
    loss = result["gains"]["validation loss"]
    assert loss["default"] == {"mean": 2.5, "std": pytest.approx(0.5**0.5), "each": [2.0, 3.0]}
    assert loss["relative_decrease"] == pytest.approx(0.4)
    assert result["fall_in_last_quarter"] == {"default": 0, "found": 0}
    assert result["found"] == {"optimizer.lr": 0.01, "model.bin_size": 16}
    assert {p.suffix for p in (tmp_path / "results").iterdir()} == {".json", ".csv", ".png"}
    printed = capsys.readouterr().out
    assert "40.0 ± " in printed
    assert "default: the loss still falls by 0.0 % in the last quarter" in printed


def test_the_second_stage_begins_with_the_best_of_the_first_and_has_its_own_space(commands):
    hpo.main(["scale=tiny"])
    (_, first), (_, second), (_, default), (_, found) = commands
    assert (first["search_space"], second["search_space"]) == ("stage1", "stage2")
    assert "optimizer.lr" not in first
    assert second["optimizer.lr"] == "0.01"
    assert "optimizer.lr" not in default
    assert (found["optimizer.lr"], found["model.bin_size"]) == ("0.01", "16")
    assert first["hydra.sweep.dir"] != second["hydra.sweep.dir"]


def test_the_seeds_compared_are_not_that_of_the_searches(commands):
    hpo.main(["scale=tiny"])
    seeds = [options["seed"] for module, options in commands if module == "mlpf.train"]
    assert seeds == ["1", "1", "101,102", "101,102"]


def test_the_bands_are_those_of_the_same_trainings_which_are_not_run_again(
    commands, tmp_path, capsys
):
    hpo.main(["scale=tiny"])
    n_calls = len(commands)
    assert variability.main(["scale=tiny"]) == 0
    assert len(commands) == n_calls
    table = (tmp_path / "results/repro_variability_tiny.csv").read_text().splitlines()
    assert table[0] == "epoch,default_mean,default_std,found_mean,found_std"
    assert table[2] == "2,2.5,0.707107,1.5,0.707107"
    result = json.loads((tmp_path / "results/repro_variability_tiny.json").read_text())
    assert np.shape(result["val_loss"]["default"]) == (2, 4)
    assert "found: best val_loss 1.5000 ± 0.7071" in capsys.readouterr().out


def test_variability_trains_what_is_missing(commands):
    variability.main(["scale=tiny"])
    assert len(commands) == 4


def test_an_unknown_scale_is_refused(capsys):
    assert hpo.main(["scale=huge"]) == 2
    assert "scale=huge: expected one of tiny, small, full" in capsys.readouterr().err


def test_the_commands_of_the_full_size_name_what_the_stages_before_have_found(
    commands, tmp_path, capsys
):
    assert hpo.main(["scale=full"]) == 0
    assert "optimizer.lr" not in capsys.readouterr().out
    folder = Path("outputs/repro/hpo/full/stage1")
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps({"best": {"params": {"optimizer.lr": 0.02}}}))
    hpo.main(["scale=full"])
    printed = capsys.readouterr().out
    assert printed.count("optimizer.lr=0.02") == 2
    assert "launcher=jureca" in printed
    assert not commands


def test_full_trainings_that_have_ended_are_reported(commands, tmp_path):
    target = hpo.target_at("full")
    hpo.train(target)  # as the cluster would
    commands.clear()
    for runs in hpo.runs_of(target).values():
        for run in runs:
            (run / "loss_curves.png").touch()
    assert hpo.main(["scale=full"]) == 0
    assert not commands
    result = json.loads((tmp_path / "results/repro_hpo_full.json").read_text())
    assert len(result["gains"]["validation loss"]["found"]["each"]) == 10
