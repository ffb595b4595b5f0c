"""`python -m hpo.worker`: processes that know only the folder or the URL of a study."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter

import optuna
import pytest

from commons.optuna_internals import storage_of, study_id
from hpo.attributes import COMMAND
from hpo.storage.opening import open_storage
from tests.hpo.conftest import ROOT

STRANGER = {"USER": "stranger", "LOGNAME": "stranger", "HOME": "/nonexistent"}


class Joined:
    """Started as any batch system would: another directory, another user name, nothing else."""

    def __init__(self, folder, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hpo.worker", *arguments],
            cwd=folder,
            env={**os.environ, **STRANGER, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self):
        """Wait; return exit code and output."""
        if not self.process.stdout.closed:
            self.output, _ = self.process.communicate(timeout=120)
        return self.process.returncode, self.output


@pytest.fixture
def join(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    started = []

    def start(*arguments):
        started.append(Joined(elsewhere, *arguments))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.end()


def states(study):
    return Counter(trial.state.name for trial in study.trials)


def test_workers_join_late_from_elsewhere_and_one_is_killed(
    shell, join, study, tmp_path, wait_until
):
    slow = ("epoch_s=0.2", "epochs=10", "hydra.sweeper.n_trials=15", "hydra.sweeper.lease_s=5")
    own = shell("toy/toy.py", "-m", *slow, "hydra.sweeper.join=true")
    wait_until((tmp_path / "sweep/trials/0000/last").exists)
    killed, other = join(f"study={tmp_path}/sweep"), join(f"study={tmp_path}/sweep/journal.log")

    def busy():
        workers = [t.user_attrs["run"]["worker"] for t in study().trials if t.user_attrs]
        return len(set(workers)) == 3

    wait_until(busy)
    killed.process.send_signal(signal.SIGKILL)
    results = [own.end(), other.end()]
    assert [code for code, _ in results] == [0, 0], results
    assert states(study()) == {"COMPLETE": 15}
    for trial in range(15):  # at most the epoch in which its worker was killed is repeated
        epochs = (tmp_path / f"sweep/trials/{trial:04d}/epochs").read_text().split()
        assert len(epochs) - len(set(epochs)) <= 1
    assert (tmp_path / "sweep/best.yaml").exists()


def test_the_worker_of_a_finished_study_has_nothing_to_do(shell, join, study, tmp_path):
    shell("toy/toy.py", "-m", "hydra.sweeper.n_trials=1").end()
    code, output = join(f"study={tmp_path}/sweep").end()
    assert code == 0
    assert "nothing to do" in output
    assert f"in {tmp_path}: " in output
    assert states(study()) == {"COMPLETE": 1}


def test_a_database_is_enough(shell, join, tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    shell("toy/toy.py", "-m", "hydra.sweeper.n_trials=1", f"hydra.sweeper.storage={url}").end()
    storage = open_storage(url, tmp_path, exists=True)
    loaded = optuna.load_study(study_name="toy", storage=storage)
    typed = dict(loaded.user_attrs[COMMAND])
    typed["arguments"] = ["-m", "hydra.sweeper.n_trials=2", "hydra.sweeper.storage=gone.log"]
    loaded.set_user_attr(COMMAND, typed)
    code, output = join(f"study={url}", "name=toy").end()
    assert code == 0, output
    assert states(optuna.load_study(study_name="toy", storage=storage)) == {"COMPLETE": 2}


def test_the_own_command_joins_whatever_its_launcher(shell, study, tmp_path):
    options = ("hydra/launcher=hpo_slurm", "hydra.launcher.timeout_min=5")
    code, output = shell("toy/toy.py", "-m", *options, "hydra.sweeper.join=true").end()
    assert code == 0, output
    assert states(study()) == {"COMPLETE": 4}


def of_a_plain_study(tmp_path):
    storage = open_storage(None, tmp_path)
    optuna.create_study(study_name="plain", storage=storage)
    return [f"study={tmp_path}"]


def of_a_lost_folder(tmp_path):
    study = optuna.create_study(study_name="moved", storage=open_storage(None, tmp_path))
    typed = {"module": None, "file": "/gone/app.py", "arguments": [], "cwd": "/gone"}
    study.set_user_attr(COMMAND, typed)
    return [f"study={tmp_path}"]


def of_a_lost_script(tmp_path):
    return [*of_a_lost_folder(tmp_path), f"cwd={tmp_path}"]


def of_everybody(tmp_path):
    arguments = of_a_plain_study(tmp_path)
    (tmp_path / "journal.log").chmod(0o666)
    return arguments


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: ["study=nowhere"], "error: study=nowhere: no such journal file"),
        (lambda tmp_path: [*of_a_plain_study(tmp_path), "name=plane"], "did you mean plain?"),
        (of_a_plain_study, "run the sweep's own command with hydra.sweeper.join=true"),
        (of_a_lost_folder, "error: cwd=/gone: no such folder here"),
        (of_a_lost_script, "its script /gone/app.py is not here"),
        (of_everybody, "chmod o-w it first"),
    ],
)
def test_what_cannot_be_joined_is_one_line(join, tmp_path, make, message):
    code, output = join(*make(tmp_path)).end()
    assert code == 2
    assert message in output
    assert len(output.splitlines()) == 1


def test_the_command_is_recorded_without_secrets(shell, study, tmp_path):
    secret = ("+service.password=hunter22", "+n=3")
    shell("toy/toy.py", "-m", "hydra.sweeper.n_trials=1", *secret).end()
    study = study()
    recorded = storage_of(study).get_study_user_attrs(study_id(study))[COMMAND]
    assert recorded["cwd"] == str(tmp_path)
    assert recorded["arguments"][0] == "-m"
    assert "+n=3" in recorded["arguments"]
    assert "hunter22" not in json.dumps(recorded)
