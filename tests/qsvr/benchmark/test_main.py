import json

import numpy as np
import pytest

from qsvr.benchmark.__main__ import main


@pytest.fixture
def file(table, tmp_path):
    """An accuracy table."""
    header = [*table.names, *(f"acc_{epoch}" for epoch in range(12))]
    columns = np.concatenate([table.hyperparameters, -table.curves], axis=1)
    path = tmp_path / "acc.csv"
    np.savetxt(path, columns, delimiter=",", header=",".join(header), comments="")
    return path


def test_the_command_writes_table_json_and_picture_of_an_accuracy_table(file, tmp_path, capsys):
    arguments = ["hps=[a,b]", "prefix=acc_", "direction=maximize", "n_splits=2", "n_jobs=1"]
    assert main([f"curves={file}", *arguments, f"out={tmp_path / 'out'}"]) == 0
    shown = capsys.readouterr().out
    assert "60 trainings of 12 epochs; hyperparameters: a, b" in shown
    assert "18 fits; this takes half a minute" in shown  # 2 splits, 3 fractions, 3 models
    assert "no configuration of hyperparameters has both" in shown
    content = json.loads((tmp_path / "out/benchmark.json").read_text())
    assert content["settings"]["direction"] == "maximize"
    rows = content["rows"]
    assert {row["model"] for row in rows} == {"SVR", "Sim-QSVR"}
    assert {row["fraction"] for row in rows} == {0.5, 0.25, 0.1}  # 10, 5, 2 % are one epoch
    keys = "model protocol fraction n_train n_fits best worst mean std rho cpu_s_per_fit"
    assert set(keys.split()) <= set(rows[0])
    assert (tmp_path / "out/benchmark.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["curves=nowhere.csv"], 1, "nowhere.csv: No such file"),
        (["curvs=a.csv"], 2, "curvs: no such key; did you mean curves?"),
        (["n_splits=2"], 2, "curves=... is missing"),
        (["curves=a.csv", "n_splits=1"], 2, "n_splits=1: must be at least 2"),
        (["curves=a.csv", "n_splits=many"], 2, "n_splits=many: expected a whole number"),
        (["curves=a.csv", "n_jobs=0"], 2, "n_jobs=0: must be at least 1"),
        (["curves=a.csv", "seed=-1"], 2, "seed=-1: must be between 0 and 2**31 - 1"),
        (["nonsense"], 2, "nonsense: expected key=value"),
        (["curves={file}", "prefix=acc_", "hps=[a]"], 1, "at least 10 different configurations"),
        (["curves={file}", "prefix="], 1, "no columns 0, 1, ...; set prefix="),
    ],
)
def test_a_mistake_is_one_line_that_names_it(file, arguments, code, message, capsys):
    assert main([argument.format(file=file) for argument in arguments]) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_help_explains(capsys):
    assert main(["--help"]) == 0
    assert "prefix" in capsys.readouterr().out
    assert main([]) == 2
