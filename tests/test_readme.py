"""Every command of the README runs as it is written."""

import bz2
import os
import pickle
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
APP = ROOT / "tests/hpo/app"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


COMMANDS = [
    line
    for block in blocks("bash")
    for line in block.splitlines()
    if line and not line.startswith("#")
]
PYTHON_COMMANDS = [line for line in COMMANDS if line.startswith("python ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with what the README says a user has: app.py, app.yaml and published files."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "app.py").write_text(blocks("python")[0])
    (folder / "app.yaml").write_text(blocks("yaml")[0])
    (folder / "published").mkdir()
    rng = np.random.default_rng(0)
    event = {key: [rng.random((5, n))] for key, n in (("X", 12), ("ygen", 7), ("ycand", 7))}
    event["X"][0][:, 0] = 1
    for key in ("ygen", "ycand"):
        event[key][0][:, :2] = (3, 0)
    with bz2.open(folder / "published/tev14_pythia8_ttbar_0_0.pkl.bz2", "wb") as file:
        pickle.dump(event, file)
    return folder


@pytest.mark.parametrize("command", PYTHON_COMMANDS)
def test_the_command_runs_as_written(command, folder):
    arguments = [sys.executable, *shlex.split(command)[1:]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]


def test_every_other_command_is_a_make_target_that_ci_runs_or_the_activation():
    ci = (ROOT / ".ci/run").read_text()
    for command in COMMANDS:
        if command not in PYTHON_COMMANDS and command != "source .venv/bin/activate":
            target = command.removeprefix("make ")
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
            assert target == "setup" or f"make {target}" in ci


def test_the_application_shown_is_the_one_that_is_tested():
    assert blocks("python")[0] == (APP / "app.py").read_text()
    assert blocks("yaml")[0] == (APP / "app.yaml").read_text()


def test_the_optuna_study_shown_runs_and_is_pruned():
    names: dict[str, object] = {}
    exec(compile(blocks("python")[1], "README.md", "exec"), names)
    states = {trial.state.name for trial in names["study"].trials}
    assert states == {"COMPLETE", "PRUNED"}


def test_the_readme_is_short_and_links_to_files_that_exist():
    assert len(README.splitlines()) <= 210
    for target in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (ROOT / target).exists(), target
