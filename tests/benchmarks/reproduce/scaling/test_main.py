import json

import pytest

from benchmarks.reproduce.scaling import __main__ as scaling
from benchmarks.reproduce.scaling.__main__ import cluster_commands, main, mean_row, with_speed_up
from benchmarks.reproduce.scaling.measured import Measured


def test_a_row_is_compared_with_one_node_of_the_same_policy():
    rows = [
        {"policy": policy, "nodes": nodes, "wall_s": wall_s}
        for policy, nodes, wall_s in (("asha", 1, 8.0), ("asha", 4, 2.5), ("other", 1, 3.0))
    ]
    assert [row["speed_up"] for row in with_speed_up(rows)] == [1.0, 3.2, 1.0]


def test_seeds_are_averaged():
    rows = [{"policy": "asha", "nodes": 4, "wall_s": wall_s} for wall_s in (1.0, 2.0)]
    assert mean_row(rows) == {"policy": "asha", "nodes": 4, "wall_s": 1.5, "n": 2}


def test_the_target_measures_simulates_and_draws(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    calls = []

    def measured(policy, nodes, study, seed, folder):
        calls.append(nodes)
        return Measured(policy, nodes, 10 / nodes, study.n_trials, 3, 0.9)

    monkeypatch.setattr(scaling, "measure", measured)
    monkeypatch.setattr(scaling, "run_tasks", lambda f, tasks, **_: [f(task) for task in tasks])
    for _ in range(2):
        assert main(["scale=tiny"]) == 0
    assert calls == [1, 2]  # the second command has measured nothing
    stem = tmp_path / "results/repro_scaling_tiny"
    result = json.loads(stem.with_suffix(".json").read_text())
    assert [row["speed_up"] for row in result["measured"]] == [1.0, 2.0]
    assert {row["policy"] for row in result["simulated"]} == {"promotion", "asha"}
    assert result["simulated_large"][0]["nodes"] == 1
    assert {row["load_epochs"] for row in result["synchronous"]} == {0.5, 5.0, 50.0}
    assert "superlinear" in " ".join(result["notes"])
    assert stem.with_suffix(".png").stat().st_size > 10_000
    assert "measured        promotion" in capsys.readouterr().out


def test_what_the_cluster_cannot_do_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def refuse(*_):
        raise RuntimeError("no node is up")

    monkeypatch.setattr(scaling, "measure", refuse)
    assert main(["scale=tiny"]) == 1
    assert "measured on 1 node: no node is up" in capsys.readouterr().err


def test_the_published_size_is_a_command_for_each_number_of_nodes(capsys):
    assert main(["scale=full"]) == 0
    commands = cluster_commands()
    assert [c.arguments[-1] for c in commands][-1] == "hpo.n_workers=96"
    assert len({c.arguments[-2] for c in commands}) == len(commands) == 6  # studies apart
    assert capsys.readouterr().out.count("python -m mlpf.train") == 6


def test_a_scale_that_does_not_exist_is_refused(capsys):
    assert main(["scale=big"]) == 2
    assert "scale=big" in capsys.readouterr().err


@pytest.mark.parametrize("scale", ["tiny", "small"])
def test_every_worker_has_trials(scale):
    size = scaling.SIZES[scale]
    assert size.study.n_trials >= scaling.PER_NODE * max(size.nodes)
    assert size.large.n_trials >= scaling.PER_NODE * max(size.large_nodes)
