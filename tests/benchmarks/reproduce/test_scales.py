import json

import pytest

from benchmarks.reproduce.scales import ClusterCommand, Target, print_commands, run
from commons.cli import Failure, UsageError


def target(folder, scale="tiny"):
    return Target("toy", scale, n_steps=2, root=folder)


def test_a_step_that_is_done_is_not_done_again(tmp_path, capsys):
    calls = []
    for _ in range(2):
        target(tmp_path).step("train", lambda: calls.append(1), ["seed=1"])
    assert len(calls) == 1
    assert "repro-toy tiny [1 of 2] train: done before" in capsys.readouterr().out


def test_a_step_is_done_again_with_other_settings_and_after_a_step_that_was(tmp_path):
    done = []
    for seed in (1, 1, 2):
        toy = target(tmp_path)
        toy.step("train", lambda: done.append("train"), [f"seed={seed}"])
        toy.step("draw", lambda: done.append("draw"))
    assert done == ["train", "draw", "train", "draw"]


def test_an_interrupted_step_is_done_again_and_its_time_counts(tmp_path):
    def interrupted():
        sum(range(3_000_000))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        target(tmp_path).step("train", interrupted)
    toy = target(tmp_path)
    before = toy.steps["train"]
    assert not before["done"]
    assert before["cpu_s"] > 0
    toy.step("train", lambda: None)
    assert toy.steps["train"]["done"]
    assert toy.steps["train"]["cpu_s"] >= before["cpu_s"]
    assert toy.steps["train"]["wall_s"] >= before["wall_s"]


def test_the_cores_of_a_step_are_those_it_had_not_those_of_the_end(tmp_path, monkeypatch):
    for n in (1, 4):
        monkeypatch.setattr("benchmarks.reproduce.scales.n_cores", lambda n=n: n)
        target(tmp_path).step(f"on {n}", lambda: sum(range(3_000_000)))
    costs = target(tmp_path).steps
    for n in (1, 4):
        assert costs[f"on {n}"]["core_s"] == pytest.approx(n * costs[f"on {n}"]["wall_s"])
    assert costs["on 1"]["wall_s"] > 0


def test_cost_is_the_sum_over_the_steps(tmp_path):
    toy = target(tmp_path)
    toy.steps = {
        "a": {"wall_s": 1800, "core_s": 3600, "cpu_s": 3600},
        "b": {"wall_s": 900, "core_s": 7200, "cpu_s": 1800},  # on a machine of eight cores
    }
    assert toy.cost() == {"wall_s": 2700, "core_h": 3.0, "cpu_h": 1.5}


@pytest.mark.parametrize(
    ("scale", "place"),
    [("small", "benchmarks/results/repro_toy_small"), ("tiny", "results/repro_toy_tiny")],
)
def test_only_results_of_small_are_among_those_that_are_committed(scale, place, tmp_path):
    assert target(tmp_path, scale).results == tmp_path / place


def test_the_results_hold_figures_cost_and_what_made_them(tmp_path, capsys):
    toy = target(tmp_path)
    toy.step("train", lambda: None)
    toy.write({"loss": 0.5}, depends=["benchmarks.reproduce.scales"], seeds=[1, 2])
    result = json.loads((tmp_path / "results/repro_toy_tiny.json").read_text())
    assert result["loss"] == 0.5
    assert result["scale"] == "tiny"
    assert set(result["cost"]["steps"]) == {"train"}
    assert result["record"]["command"] == "make repro-toy SCALE=tiny"
    assert result["record"]["seeds"] == [1, 2]
    assert "core-hours" in capsys.readouterr().out


def test_a_command_that_fails_is_named(capfd):
    with pytest.raises(
        Failure, match=r"the same command resumes it: python -m json\.tool '/no x'"
    ):
        run("json.tool", "/no x")
    assert "$ python -m json.tool '/no x'" in capfd.readouterr().out


def test_an_unknown_scale_is_refused(tmp_path):
    with pytest.raises(UsageError, match="scale=huge: expected one of tiny, small, full"):
        target(tmp_path, "huge")


def test_commands_for_a_cluster_are_printed_with_their_cost(capsys):
    commands = [
        ClusterCommand("search", ("hpo=best", "hpo.n_trials=9"), 40),
        ClusterCommand("train", ("seed=1,2",), 8),
    ]
    print_commands("toy", commands, "a guess")
    printed = capsys.readouterr().out
    assert "# 1. search: about 40 GPU-hours" in printed
    assert "python -m mlpf.train -m hpo=best hpo.n_trials=9 launcher=jureca" in printed
    assert "about 48 GPU-hours = 12 node-hours = 1536 core-hours; a guess" in printed
