"""The command that is one worker itself."""

import signal
from collections import Counter

import pytest

from hpo.attributes import COMMAND


def states(study):
    return Counter(trial.state.name for trial in study.trials)


def test_a_joining_command_creates_the_study_and_finishes_it(toy, study, tmp_path):
    code, _ = toy("-m", "hydra.sweeper.join=true")
    assert code == 0
    assert states(study()) == {"COMPLETE": 4}
    assert (tmp_path / "sweep/summary.json").exists()


def test_the_first_command_says_how_to_join_and_a_joining_one_changes_nothing(
    shell, study, tmp_path
):
    shell("toy/toy.py", "-m", "hydra.sweeper.n_trials=1").end()
    before = study().user_attrs[COMMAND]
    written = (tmp_path / "sweep/multirun.yaml").read_text()
    shell("toy/toy.py", "-m", "hydra.sweeper.n_trials=2", "hydra.sweeper.join=true").end()
    assert study().user_attrs[COMMAND] == before
    assert (tmp_path / "sweep/multirun.yaml").read_text() == written
    assert before["arguments"] == ["-m", "hydra.sweeper.n_trials=1"]
    assert states(study()) == {"COMPLETE": 2}


def test_a_worker_leaves_when_the_others_have_the_rest(shell, study, tmp_path, wait_until):
    slow = ("epoch_s=0.5", "epochs=40", "hydra.sweeper.n_trials=1")
    first = shell("toy/toy.py", "-m", *slow)
    wait_until((tmp_path / "sweep/trials/0000/last").exists)
    code, output = shell("toy/toy.py", "-m", *slow, "hydra.sweeper.join=true").end()
    assert code == 0
    assert "no trial is left for this worker of study 'toy'; 1 are not finished" in output
    assert first.end()[0] == 0
    assert states(study()) == {"COMPLETE": 1}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_worker_gives_its_trial_back(shell, study, tmp_path, wait_until, number):
    options = ("epoch_s=0.2", "epochs=50", "hydra.sweeper.join=true")
    command = shell("toy/toy.py", "-m", *options)
    wait_until((tmp_path / "sweep/trials/0000/last").exists)
    command.process.send_signal(number)
    assert command.end()[0] == 130
    assert states(study()) == {"WAITING": 4}
