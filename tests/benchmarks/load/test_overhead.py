import json
import math

import pytest

from benchmarks.load.overhead import Settings, Visit, commands, loop_cpu_s, main, read_log
from benchmarks.load.replay.curves import N_EPOCHS, curve, replay, table


def test_the_loops_of_workers_count_their_trainings_and_what_lies_between():
    first = [Visit(1, 0, 1, 3.0, 4.0, 9), Visit(1, 2, 3, 4.5, 5.0, 9)]  # 1.5 inside, 0.5 between
    only = Visit(2, 0, 1, 2.0, 2.25, 9)
    assert loop_cpu_s([first[1], only, first[0]]) == pytest.approx(1.5 + 2 * 0.5 + 0.25)


def test_a_trial_leaves_one_line_also_when_it_is_pruned(tmp_path):
    params = {"lr": 1e-3, "width": 64, "depth": 2, "dropout": 0.1, "clip": 0.1, "decay": 100}
    params["normalize"] = True
    seen = []

    def report(loss, epoch):
        seen.append(loss)
        if len(seen) == N_EPOCHS + 4:
            raise StopIteration

    losses = curve(params)
    assert replay(params, 0, tmp_path / "log", report) == losses[-1]
    with pytest.raises(StopIteration):
        replay(params, 0, tmp_path / "log", report)
    whole, pruned = read_log(tmp_path / "log")
    assert (whole.n_epochs, pruned.n_epochs) == (100, 4)
    assert seen == losses + losses[:4]
    assert whole.begin <= whole.end <= pruned.begin
    assert whole.cpu_begin <= whole.cpu_end <= pruned.cpu_begin


def test_learning_curves_are_those_of_the_nearest_point_and_always_the_same():
    points, losses = table()
    assert losses.shape == (256, N_EPOCHS)
    span = math.log(3e-2) - math.log(1e-4)
    lr, width, depth, dropout, clip, decay, normalize = map(float, points[7])
    params = {
        "lr": math.exp(math.log(1e-4) + lr * span),
        "width": 32 * 8**width,
        "depth": 1 + 3 * depth,
        "dropout": dropout / 2,
        "clip": clip / 5,
        "decay": 10 + 1990 * decay,
        "normalize": normalize,
    }
    assert curve(params) == list(losses[7])
    assert losses[7][0] > losses[7][-1] > 0


def test_every_tool_is_asked_for_the_same_study(tmp_path):
    settings = Settings(n_trials=5, n_workers=3)
    (hydra,) = commands("hydra", tmp_path, (0.01, False), settings)
    assert {"epoch_s=0.01", "hydra.sweeper.n_trials=5", "hydra.sweeper.n_workers=3"} <= {*hydra}
    assert "hydra.sweeper.pruner=null" in hydra
    plain = commands("optimize", tmp_path, (0.1, True), settings)
    assert len(plain) == 3
    assert plain[0][-5:] == ["optimize", str(tmp_path), "0.1", "5", "prunes"]


def test_the_benchmark_runs_and_tells_all_figures(tmp_path, capsys):
    arguments = ("rounds=1", "n_trials=4", "n_workers=2", "rows=[10 ms]", f"out={tmp_path}")
    assert main(arguments) == 0
    assert "CPU s/trial" in capsys.readouterr().out
    result = json.loads((tmp_path / "overhead.json").read_text())
    assert result["n_workers"] == 2
    for tool, figures in result["medians"]["10 ms"].items():
        assert figures["n_trials"] == 4, tool
        assert 0 < figures["loop_cpu_s"] < figures["cpu_s"], tool
        assert 0 < figures["efficiency"] < 1, tool
        assert figures["start_up_s"] + figures["after_last_epoch_s"] < figures["wall_s"]
    assert main(("rows=[5 ms]",)) == 2
    assert "rows" in capsys.readouterr().err
