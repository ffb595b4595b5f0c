import json

import pytest

from benchmarks.reproduce import hpo as repro_hpo


@pytest.fixture
def trained(monkeypatch):
    """Stand in for the trainings: write what they would, remember how they were called."""
    calls = []

    def train(*arguments):
        calls.append(arguments)
        options = dict(a.split("=", 1) for a in arguments if "=" in a)
        folder = repro_hpo.Path(options["hydra.sweep.dir"])
        if any(a.startswith("hpo=") for a in arguments):
            folder.mkdir(parents=True)
            summary = {"best": {"params": {"optimizer.lr": 0.01}}, "n_trials": {"total": 24}}
            (folder / "summary.json").write_text(json.dumps(summary))
            return
        losses = {"default": [4.0, 2.0], "best": [3.0, 1.0]}[folder.name]
        for i, _ in enumerate(options["seed"].split(",")):
            run = folder / str(i)
            run.mkdir(parents=True)
            rows = "".join(f"{e},{loss + i}\n" for e, loss in enumerate(losses, 1))
            (run / "metrics.csv").write_text("epoch,val_loss\n" + rows)

    monkeypatch.setattr(repro_hpo, "_train", train)
    return calls


def test_mean_deviation_and_relative_decrease_of_the_best_epochs(trained, tmp_path, capsys):
    arguments = ["seeds=3", f"out={tmp_path / 'runs'}", f"results={tmp_path / 'results'}"]
    assert repro_hpo.main(arguments) == 0
    result = json.loads((tmp_path / "results/repro_hpo_tiny.json").read_text())
    assert result["default"]["val_loss_of_each_seed"] == [2.0, 3.0, 4.0]
    assert result["default"]["mean"] == 3.0
    assert result["default"]["std"] == 1.0
    assert result["best"]["mean"] == 2.0
    assert result["relative_decrease"] == pytest.approx(1 / 3)
    assert (tmp_path / "results/repro_hpo_tiny.png").stat().st_size > 1000
    assert "relative decrease 33.3 %" in capsys.readouterr().out


def test_the_seeds_compared_are_not_that_of_the_sweep(trained, tmp_path):
    repro_hpo.main([f"out={tmp_path / 'runs'}", f"results={tmp_path / 'results'}"])
    default, sweep, best = trained
    assert "seed=101,102,103" in default
    assert "seed=101,102,103" in best
    assert "seed=1" in sweep


@pytest.mark.parametrize(
    ("argument", "reason"),
    [("scale=huge", "expected one of tiny, small, full"), ("seeds=1", "must be at least 2")],
)
def test_impossible_settings_are_refused(argument, reason, capsys):
    assert repro_hpo.main([argument]) == 2
    assert capsys.readouterr().err == f"error: {argument}: {reason}\n"
