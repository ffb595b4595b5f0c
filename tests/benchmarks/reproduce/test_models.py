import json

import pytest

from benchmarks.reproduce import models
from benchmarks.reproduce.models import FIGURES, Plan, Usage, figures, main, table


def content(value):
    """An evaluation.json in which every figure of the network has the same value."""
    named = [*FIGURES.values()]
    named += [
        (name, f"{size} elements")
        for name in ("ms_per_event", "mb_per_event")
        for size in (1280, 5120, 12800)
    ]
    rows = [
        {"name": name, "selection": selection, "column": column, "value": v, "error": 0.5}
        for name, selection in named
        for column, v in (("mlpf", value), ("rules", 1.0))
    ]
    return {"rows": [*rows, {**rows[0], "selection": "tracks"}]}


@pytest.mark.parametrize("epoch_s", [7.0, 25.0, 150.0, 400.0])
def test_a_plan_spends_the_budget_in_equal_epochs(epoch_s):
    plan = Plan.of(150.0, epoch_s)
    assert plan.epochs * plan.fraction * epoch_s == pytest.approx(150.0, rel=1e-3)
    assert 0 < plan.fraction <= 1
    assert (plan.epochs - 1) * epoch_s < 150.0  # no more epochs than it needs


def test_figures_are_those_of_all_compared_columns():
    found = figures(content(2.0))
    assert found["MET RMS (GeV)"] == {
        "rules": {"value": 1.0, "error": 0.5},
        "mlpf": {"value": 2.0, "error": 0.5},
    }
    assert set(FIGURES) < set(found)


def test_each_model_is_trained_for_the_budget_and_shown_beside_the_others(
    monkeypatch, tmp_path, capsys
):
    commands = []

    def run(command, *arguments):
        commands.append((command, dict(a.split("=", 1) for a in arguments)))
        keys = commands[-1][1]
        if command == "evaluate":
            out = tmp_path / "runs" / keys["run"].split("/")[-2] / "evaluation"
            out.mkdir(parents=True)
            (out / "evaluation.json").write_text(json.dumps(content(len(commands))))
            return Usage(1.0, 1.0)
        epoch_s = {"a": 20.0, "b": 60.0}[keys["model"]]
        steps_s = epoch_s * float(keys["trainer.limit_train_batches"])
        return Usage(5.0 + steps_s * int(keys["trainer.max_epochs"]), 300.0)

    monkeypatch.setattr(models, "_run", run)
    monkeypatch.setattr(models, "load_network", lambda _: models_network())
    out = tmp_path / "models.json"
    arguments = ["cpu_s=90", "models=[a,b]", f"runs={tmp_path / 'runs'}", f"out={out}"]
    assert main(arguments) == 0

    measured = json.loads(out.read_text())["models"]
    assert [measured[name]["epochs"] for name in "ab"] == [5, 2]
    assert [measured[name]["cpu_s"] for name in "ab"] == pytest.approx([95.0, 95.0], abs=0.1)
    lines = capsys.readouterr().out.splitlines()
    assert "|  | rules | a | b |" in lines
    assert "| parameters |  | 6 | 6 |" in lines
    assert "| jets found | 1 +- 0.5 | 5 +- 0.5 | 9 +- 0.5 |" in lines


def models_network():
    from torch import nn

    return nn.Linear(2, 2)


def test_a_figure_that_could_not_be_measured_is_left_empty():
    found = figures(content(None))
    row = {"parameters": 1, "epochs": 1, "fraction": 1, "cpu_s": 1, "peak_mb": 1}
    assert "| jets pure | 1 +- 0.5 |  |" in table({"a": {**row, "figures": found}}).splitlines()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["cpu_s=0"], "cpu_s must be greater than 0"), (["runs=."], "runs=.: exists; remove it")],
)
def test_a_mistake_is_told_before_anything_runs(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
