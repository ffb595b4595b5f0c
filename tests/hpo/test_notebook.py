import os
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

import hpo
from hpo.attributes import FOLDER
from hpo.reporting.artist import PICTURES
from hpo.storage.opening import open_storage


@pytest.fixture
def folder(tmp_path):
    study = optuna.create_study(storage=open_storage(None, tmp_path), study_name="s")
    study.set_user_attr(FOLDER, str(tmp_path))
    for value in (3.0, 1.0, 2.0):
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        trial.suggest_categorical("kind", ["a", "b"])
        study.tell(trial, value)
    study.tell(study.ask(), state=TrialState.FAIL)
    return tmp_path


def test_a_loaded_study_is_one_of_optuna_with_its_trials_as_a_frame(folder):
    study = hpo.load(folder)
    assert isinstance(study, optuna.Study)
    assert study.best_value == 1.0
    frame = study.frame()
    assert frame.value.tolist()[:3] == [3.0, 1.0, 2.0]
    assert frame.state.tolist() == ["complete"] * 3 + ["fail"]
    assert frame["params.kind"].notna().tolist() == [True] * 3 + [False]
    assert str(frame.started.dtype).startswith("datetime64")
    assert (frame.ended - frame.started).dt.total_seconds().between(0, 60).all()
    assert frame.folder[1] == f"{folder}/trials/0001"


def test_a_figure_is_a_picture_that_a_notebook_shows(folder, tmp_path):
    study = hpo.load(folder)
    assert study.figures == sorted(PICTURES)
    shown = study.figure("history")
    assert shown._repr_png_().startswith(b"\x89PNG")
    shown.save(tmp_path / "h.png")
    assert (tmp_path / "h.png").read_bytes() == shown.png
    with pytest.raises(
        ValueError, match=r"^histories: expected one of .*; did you mean history\?$"
    ):
        study.figure("histories")


def test_a_study_without_a_feasible_trial_has_no_best_one(tmp_path):
    study = optuna.create_study(storage=open_storage(None, tmp_path), study_name="s")
    with pytest.raises(ValueError, match=r"^study s: no trial is complete: there is none$"):
        _ = hpo.load(tmp_path).best_trial
    bound = {"constraints:gb": 1.0}
    study.add_trial(optuna.trial.create_trial(value=1.0, system_attrs=bound))
    with pytest.raises(ValueError, match=r"^study s: no complete trial meets all constraints$"):
        _ = hpo.load(tmp_path).best_trial


def test_without_pandas_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'mlpf-hpo\[notebook\]'"):
        hpo.load(folder).frame()


CODE = """
import os, sys
import hpo
def look():
    study = hpo.load(sys.argv[1])
    return len(study.frame()), len(study.figure("cost").png) > 1000
look()  # all is imported: Python itself may belong to root
if os.getuid() == 0:
    os.setgroups([]), os.setegid(65534), os.seteuid(65534)
try:
    open(sys.argv[1] + "/journal.log", "ab")
except PermissionError:
    print(*look())
"""


def test_a_study_that_others_own_is_read_without_the_right_to_write(folder):
    before = sorted(folder.iterdir())
    (folder / "journal.log").chmod(0o444)
    folder.chmod(0o555)
    for parent in folder.parents[:-2]:
        if parent.owner() == Path.home().owner():
            parent.chmod(parent.stat().st_mode | 0o055)
    command = [sys.executable, "-B", "-c", CODE, str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    options = {"env": environment, "cwd": "/", "capture_output": True, "text": True}
    result = subprocess.run(command, check=False, **options)
    folder.chmod(0o755)
    assert result.stdout.split() == ["4", "True"], result.stderr
    assert sorted(folder.iterdir()) == before
