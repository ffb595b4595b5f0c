import json

from benchmarks.reproduce.demo import compare


def test_the_comparison_names_losses_trials_and_pictures(tmp_path, capsys):
    default, sweep = tmp_path / "default", tmp_path / "sweep"
    default.mkdir()
    sweep.mkdir()
    (default / "metrics.csv").write_text("epoch,val_loss\n1,3.0\n2,2.0\n")
    summary = {
        "best": {"value": 1.5, "params": {"optimizer.lr": 0.01}},
        "n_trials": {"total": 12, "pruned": 5},
        "epochs": {"run": 40, "saved": 60},
    }
    (sweep / "summary.json").write_text(json.dumps(summary))
    figures = compare(default, sweep)
    assert figures["relative_decrease"] == 0.25
    printed = capsys.readouterr().out
    assert "val_loss 2.0000" in printed
    assert "val_loss 1.5000   (25 % lower, trained as long)" in printed
    assert "5 of 12" in printed
    assert "optimizer.lr: 0.01" in printed
    assert f"--config-dir={sweep} --config-name=best" in printed
