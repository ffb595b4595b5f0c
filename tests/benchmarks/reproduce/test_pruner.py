"""The simulations behind `make repro-pruner`: their commands, and the record of their rows."""

import json
import subprocess
from types import SimpleNamespace

import pytest

from benchmarks.record import ROOT, changed
from benchmarks.reproduce import pruner
from benchmarks.reproduce.pruner import RUNS, main


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """The commands of hpo.simulate, which do not run."""
    asked = []

    def run(command, check):
        asked.append(dict(argument.split("=", 1) for argument in command[3:]))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(pruner, "subprocess", SimpleNamespace(run=run))
    (tmp_path / "curves.csv").write_text("")
    return asked


def test_each_run_has_its_folder_its_arguments_and_a_record(commands, tmp_path):
    arguments = [f"curves={tmp_path / 'curves.csv'}", f"out={tmp_path / 'out'}"]
    assert main([*arguments, "only=[all,warm]"]) == 0
    everything, warm = commands
    assert everything["first_order"] == "50"
    assert "freeze_thaw_qsvr" in everything["methods"]
    assert "drop_best" not in everything
    assert warm["out"].endswith("/out/warm")
    assert warm.items() >= {"earlier_groups": "60", "tolerance": "0.3"}.items()
    seeds = {"out/record.json": range(50, 100), "out/warm/record.json": range(40)}
    for file, numbers in seeds.items():
        record = json.loads((tmp_path / file).read_text())
        assert record["seeds"] == list(numbers)
        assert changed(record["code"]) == []


@pytest.mark.parametrize(
    ("argument", "told"),
    [("only=[magic]", "expected one of"), ("curves=none.csv", "no such file (make curves)")],
)
def test_what_cannot_be_simulated_is_one_line(commands, tmp_path, capsys, argument, told):
    assert main([f"curves={tmp_path / 'curves.csv'}", argument]) == 2
    assert told in capsys.readouterr().err
    assert not commands


def test_the_methods_named_exist():
    known = (ROOT / "hpo/simulate/methods.yaml").read_text()
    known += (ROOT / "benchmarks/reproduce/policies/methods.yaml").read_text()
    for arguments in RUNS.values():
        for argument in arguments:
            key, _, names = argument.partition("=")
            for name in names.strip("[]").split(",") if key == "methods" else ():
                assert f"\n{name}:" in f"\n{known}", name
