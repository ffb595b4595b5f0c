"""The simulations behind `make repro-pruner`: their commands, and where their rows go."""

import json
from pathlib import Path

import pytest

from benchmarks.record import ROOT, changed
from benchmarks.reproduce.pruner import Settings, main, runs_of, sweep_arguments

SUMMARY = {
    "n_trials": {"complete": 4, "pruned": 36},
    "epochs": {"run": 300},
    "best": {"value": 0.5},
    "worker_hours": {"used": 0.1},
    "cost": {"core_h": 0.2},
}


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """Stand in for hpo.simulate and live sweeps: remember the calls, write what they would."""
    asked = []

    def run(module, *arguments):
        options = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
        if module == "mlpf.train":
            assert options["hpo/pruner"] in ("none", "hyperband", "asha", "svr", "qsvr")
            folder = Path(options["hydra.sweep.dir"])
            folder.mkdir(parents=True)
            (folder / "summary.json").write_text(json.dumps(SUMMARY))
            return
        assert module == "hpo.simulate"
        asked.append(options)
        folder = Path(options["out"])
        folder.mkdir(parents=True)
        (folder / "simulate.json").write_text(json.dumps([{"method": folder.name}]))
        (folder / "simulate.png").write_text(folder.name)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("benchmarks.reproduce.scales.run", run)
    (tmp_path / "curves.csv").write_text("")
    return asked


def test_rows_pictures_and_cost_of_each_simulation_are_kept(commands, tmp_path, capsys):
    (tmp_path / "cifar.csv").write_text("")
    (tmp_path / "taskset_lstm.csv").write_text("")
    arguments = ["curves=curves.csv"]
    assert main(arguments) == main(arguments) == 0
    # The second call has simulated nothing.
    everything, without, warm, warm_cifar, cifar, taskset = commands
    assert everything.items() <= {**without, "out": everything["out"]}.items()
    assert without["drop_best"] == "10"
    assert "freeze_thaw_qsvr" in everything["methods"]
    assert warm.items() >= {"earlier_groups": "60", "tolerance": "0.3"}.items()
    assert warm_cifar["direction"] == cifar["direction"] == "maximize"
    assert "tolerance" not in warm_cifar
    assert "qsvr" in cifar["methods"]
    assert taskset.items() >= {"curves": "taskset_lstm.csv", "pool_share": "0.1"}.items()
    stem = tmp_path / "benchmarks/results/repro_pruner_small"
    result = json.loads(stem.with_suffix(".json").read_text())
    assert result["rows"]["warm_cifar"] == [{"method": "warm_cifar"}]
    simulated = ["all", "without_best", "warm", "warm_cifar", "cifar", "taskset"]
    live = ["live_none", "live_hyperband", "live_asha", "live_svr", "live_qsvr"]
    assert [*result["cost"]["steps"]] == simulated + live
    assert result["live"][4].items() >= {"search": "qsvr", "epochs": 300, "complete": 4}.items()
    assert changed(result["record"]["code"]) == []
    assert stem.with_name("repro_pruner_small_warm.png").read_text() == "warm"
    out = capsys.readouterr().out
    assert "qsvr             300         0.5000         4    360\n" in out
    assert "make repro-pruner SCALE=small: 0.0 min, 0.00 core-hours" in out


def test_our_own_curves_are_simulated_once_they_are_there(commands, tmp_path):
    own = tmp_path / "benchmarks/results/repro_curves_small.csv"
    assert "own" not in runs_of(Settings())
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert "curves=benchmarks/results/repro_curves_small.csv" in runs_of(Settings())["own"]
    assert [*runs_of(Settings("tiny"))] == ["all"]


def test_all_pruners_of_live_sweeps_get_the_same_trainings():
    one, other = (sweep_arguments("small", pruner, Path("a")) for pruner in ("none", "qsvr"))
    assert {*one} ^ {*other} == {"hpo/pruner=none", "hpo/pruner=qsvr"}
    assert {"seed=1", "hpo=random", "hpo.n_workers=1", "hpo.n_trials=40"} <= {*one}


def test_the_published_size_needs_no_cluster(commands, capsys):
    assert main(["scale=full"]) == 0
    assert "SCALE=small" in capsys.readouterr().out
    assert not commands


@pytest.mark.parametrize(
    ("argument", "told"),
    [("scale=huge", "expected one of"), ("curves=none.csv", "no such file (make curves)")],
)
def test_what_cannot_be_simulated_is_one_line(commands, capsys, argument, told):
    assert main([argument]) == 2
    assert told in capsys.readouterr().err
    assert not commands


def test_the_methods_named_exist():
    known = (ROOT / "hpo/simulate/methods.yaml").read_text()
    known += (ROOT / "benchmarks/reproduce/policies/methods.yaml").read_text()
    for scale in ("tiny", "small"):
        for argument in (a for run in runs_of(Settings(scale)).values() for a in run):
            key, _, names = argument.partition("=")
            for name in names.strip("[]").split(",") if key == "methods" else ():
                assert f"\n{name}:" in f"\n{known}", name
