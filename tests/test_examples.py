"""Each example runs as its README says, searches, prunes, and goes on."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

import hpo

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
HYDRA = {"plain_python": "app.py", "lightning": "train.py", "ddp": "train.py"}
PLAIN = {"pytorch": "search.py", "scikit_learn": "search.py"}


def run(folder, script, *arguments):
    """Run an example from an empty folder; return what it printed."""
    command = [sys.executable, str(EXAMPLES / script), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def finished(study):
    states = Counter(trial.state.name for trial in study.trials)
    assert states.keys() <= {"COMPLETE", "PRUNED"}
    return states


def test_the_readme_lists_every_example():
    listed = re.findall(r"\]\((\w+)\)", (EXAMPLES / "README.md").read_text())
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}
    assert {*listed} == folders == HYDRA.keys() | PLAIN.keys()


@pytest.mark.parametrize("name", HYDRA)
def test_an_application_runs_alone_and_in_a_search_that_continues(name, tmp_path):
    script = f"{name}/{HYDRA[name]}"
    config = yaml.safe_load((EXAMPLES / script).with_suffix(".yaml").read_text())
    study = config["hydra"]["sweeper"]["study_name"]
    for n in (2, 4):
        budget = f"hydra.sweeper.n_trials={n}"
        printed = run(tmp_path, script, "-m", budget, "hydra.sweeper.n_workers=2")
        assert "best configuration" in printed
    states = finished(hpo.load(tmp_path / "outputs/sweeps" / study))
    assert states.total() == 4
    assert states["PRUNED"] >= 1
    best = yaml.safe_load((tmp_path / "outputs/sweeps" / study / "best.yaml").read_text())
    assert best.keys() >= config["hydra"]["sweeper"]["params"].keys()


@pytest.mark.parametrize("name", PLAIN)
def test_a_script_is_joined_by_a_second_process(name, tmp_path):
    script = f"{name}/{PLAIN[name]}"
    printed = run(tmp_path, script, "4")
    assert printed.startswith("best ")
    run(tmp_path, script, "8")
    states = finished(hpo.load(tmp_path / "search"))
    assert states.total() == 8
    assert states["PRUNED"] >= 1


def test_a_paused_trial_of_the_lightning_example_goes_on_from_its_checkpoint(tmp_path):
    options = ("hydra/sweeper/pruner=promotion", "hydra.sweeper.n_workers=1", "epochs=4")
    run(tmp_path, "lightning/train.py", "-m", "hydra.sweeper.n_trials=4", *options)
    study = hpo.load(tmp_path / "outputs/sweeps/sine")
    assert finished(study).total() == 4
    for trial in study.trials:  # no epoch twice: a repetition would not be stored
        assert [*trial.intermediate_values] == list(range(1, trial.last_step + 1))


def test_the_ddp_example_runs_alone(tmp_path):
    run(tmp_path, "ddp/train.py", "epochs=2")
