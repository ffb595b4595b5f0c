import json

import optuna
import pytest
from optuna.storages import BaseStorage

from hpo.report import main, write_report
from hpo.storage.opening import open_storage


@pytest.fixture
def folder(tmp_path) -> BaseStorage:
    """A journal with a study "s" of three trials, made without a sweep."""
    storage = open_storage(None, tmp_path)
    study = optuna.create_study(storage=storage, study_name="s")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    return tmp_path


def test_the_command_prints_the_table_and_writes_the_files(folder, capsys):
    assert main([f"storage={folder}", "study=s"]) == 0
    assert "3 of 3 finished" in capsys.readouterr().out
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["study_name"] == "s"
    assert {"history.png", "learning_curves.png", "importances.png"} <= {
        path.name for path in folder.iterdir()
    }
    assert not (folder / "best.yaml").exists()  # no application is known


def test_the_folder_can_be_chosen_and_the_only_study_need_not_be_named(folder, capsys):
    assert main([f"storage={folder}/journal.log", f"dir={folder}/out"]) == 0
    assert (folder / "out/summary.json").exists()
    capsys.readouterr()


def test_help_explains_each_key(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(key in printed for key in ("study", "storage", "dir", "best.yaml"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["storage={folder}", "study=t"], "study=t: the storage has s"),
        (["storage={folder}/nothing.log"], "no such journal file"),
        (["study=s"], "storage=... is missing"),
        (["storage={folder}", "colour=red"], "colour: no such key (see --help)"),
        (["storage="], "storage=... is missing"),
    ],
)
def test_a_mistake_is_one_clear_line(folder, capsys, arguments, message):
    assert main([argument.format(folder=folder) for argument in arguments]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_a_missing_study_is_an_error_of_the_function(folder):
    with pytest.raises(KeyError):
        write_report(open_storage(None, folder), "t", folder)
