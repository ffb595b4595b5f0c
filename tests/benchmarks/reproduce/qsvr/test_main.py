"""`make repro-qsvr`: the published table, and our own curves once they are there."""

import json
from pathlib import Path

import pytest

from benchmarks.record import changed
from benchmarks.reproduce.qsvr.__main__ import main


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """Stand in for the commands: remember how they were called, write rows and a picture."""
    asked = []

    def run(module, *arguments):
        options = dict(argument.split("=", 1) for argument in arguments)
        asked.append((module, options))
        folder = Path(options["out"])
        folder.mkdir(parents=True)
        (folder / "benchmark.json").write_text(json.dumps({"rows": [folder.name]}))
        (folder / "benchmark.png").write_text(folder.name)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("benchmarks.reproduce.scales.run", run)
    return asked


def test_the_table_is_kept_with_its_cost_and_the_code_it_depends_on(commands, tmp_path):
    assert main(["curves=mine.csv", "qpu=runs"]) == 0
    ((module, options),) = commands
    assert module == "benchmarks.reproduce.qsvr.table"
    expected = {"curves": "mine.csv", "qpu": "runs", "n_splits": "100", "seed": "123"}
    assert options.items() >= expected.items()
    stem = tmp_path / "benchmarks/results/repro_qsvr_small"
    result = json.loads(stem.with_suffix(".json").read_text())
    assert result["published"] == {"rows": ["published"]}
    assert changed(result["record"]["code"]) == []
    assert stem.with_name("repro_qsvr_small_published.png").read_text() == "published"


def test_our_own_curves_come_second(commands, tmp_path):
    own = tmp_path / "benchmarks/results/repro_curves_small.csv"
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert main([]) == 0
    module, options = commands[1]
    assert module == "qsvr.benchmark"
    assert options["curves"] == "benchmarks/results/repro_curves_small.csv"
    assert "qpu" not in options
    result = json.loads((own.parent / "repro_qsvr_small.json").read_text())
    assert result["own"] == {"rows": ["own"]}


def test_a_check_has_few_splits_and_full_is_small(commands, capsys):
    assert main(["scale=tiny"]) == main(["scale=full"]) == 0
    assert [options["n_splits"] for _, options in commands] == ["2"]
    assert "SCALE=small" in capsys.readouterr().out
