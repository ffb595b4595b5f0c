import json
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage

from commons.files import write_json
from hpo.attributes import APP, COMMAND, FOLDER, PARENT, RUN
from hpo.report import Report, main, write_report
from hpo.reporting.subject import read_subject
from hpo.storage.folders import RECORD
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
    pictures = {"history.png", "learning_curves.png", "importances.png", "slices.png"}
    assert {"report.html", "trials.csv", *pictures} <= {path.name for path in folder.iterdir()}
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


def test_the_files_of_another_study_are_not_replaced(folder, capsys):
    write_json(folder / RECORD, {"study": "other", "study_id": "x"})
    assert main([f"storage={folder}"]) == 2
    assert "this folder belongs to study 'other'; choose another one" in capsys.readouterr().err
    assert not (folder / "summary.json").exists()
    assert main([f"storage={folder}", f"dir={folder}/out"]) == 0


@pytest.mark.parametrize(
    ("name", "is_known", "home"),
    [("s", True, "home"), ("s", False, "outputs/sweeps/s"), ("../../x", True, "home")],
)
def test_the_files_of_a_study_in_a_database_are_in_the_folder_of_its_sweep(
    tmp_path, monkeypatch, capsys, name, is_known, home
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    study = optuna.create_study(storage="sqlite:///s.db", study_name=name)
    study.set_user_attr(FOLDER, str(tmp_path / ("home" if is_known else "gone")))

    def write(storage, name, folder):
        written.append(folder)
        return Report(read_subject(storage, 1), folder, {})

    monkeypatch.setattr("hpo.report.write_report", write)
    written = []
    assert main(["storage=sqlite:///s.db"]) == 0
    assert written == [tmp_path / home if is_known else Path(home)]


def test_a_name_that_cannot_be_a_folder_needs_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    optuna.create_study(storage="sqlite:///s.db", study_name="../../x")
    assert main(["storage=sqlite:///s.db"]) == 2
    assert "dir=... is missing" in capsys.readouterr().err


def test_a_folder_alone_names_the_study(folder, capsys):
    assert main([str(folder)]) == 0
    printed = capsys.readouterr().out
    for line in (
        f"page: {folder}/report.html",
        f"all trials: {folder}/trials.csv",
        f"report again, or on one trial: hpo report {folder} [trial=NUMBER]",
        f"look at it in a browser: hpo dashboard {folder}",
    ):
        assert line in printed.splitlines()
    assert "best configuration" not in printed  # no application is known


def test_one_trial_is_told_and_drawn(folder, capsys):
    assert main([str(folder), "trial=1"]) == 0
    printed = capsys.readouterr().out
    assert "trial 1 of study s" in printed
    assert "of 3 complete trials" in printed
    assert (folder / "trial_1.png").exists()
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize(
    ("argument", "message"),
    [("trial=3", "trial=3: the study has trials 0 to 2"), ("trial=x", "expected a whole number")],
)
def test_a_trial_that_is_not_there_is_one_clear_line(folder, capsys, argument, message):
    assert main([str(folder), argument]) == 2
    assert message in capsys.readouterr().err
    assert not [*folder.glob("*.png")]


def test_the_commands_are_those_of_the_application(folder):
    storage = open_storage(None, folder)
    study = optuna.load_study(study_name="s", storage=storage)
    typed = {"module": None, "file": "/w/my app.py", "arguments": ["-m", "x=interval(0, 1)"]}
    study.set_user_attr(COMMAND, {**typed, "cwd": "/w"})
    commands = write_report(storage, "s", folder).commands
    assert commands["continue the sweep"] == "python 'my app.py' -m 'x=interval(0, 1)'"


def test_the_best_of_a_population_comes_with_its_schedule(tmp_path):
    storage = open_storage(None, tmp_path)
    study = optuna.create_study(storage=storage, study_name="s")
    app = {"config_name": "a", "searchpath": [], "groups": []}
    study.set_user_attr(APP, app)
    space = {"x": optuna.distributions.FloatDistribution(0, 1)}

    def add(x, steps, parent):
        trial = optuna.trial.create_trial(
            value=1 - x,
            params={"x": x},
            distributions=space,
            intermediate_values={step: 2 - x - step / 10 for step in steps},
            user_attrs={RUN: {"overrides": [f"x={x}"]}},
            system_attrs={PARENT: parent} if parent else {},
        )
        study.add_trial(trial)

    add(0.25, range(1, 5), None)
    add(0.5, range(4, 7), {"trial": 0, "step": 3})
    write_report(storage, "s", tmp_path)
    assert (tmp_path / "schedule.csv").read_text().splitlines() == [
        "trial,first_step,last_step,value,x",
        "0,1,3,1.45,0.25",
        "1,4,6,0.9,0.5",
    ]
    comment = (tmp_path / "best.yaml").read_text().splitlines()[:3]
    assert comment == [
        "# Trial 1 of study s: 0.5.",
        "# Its model is the result of a schedule of 2 stages, see schedule.csv.",
        "# Below are the values from step 4 on; alone they train another model.",
    ]
    add(0.75, range(1, 4), None)
    write_report(storage, "s", tmp_path)
    assert not (tmp_path / "schedule.csv").exists()
    assert "schedule" not in (tmp_path / "best.yaml").read_text()
