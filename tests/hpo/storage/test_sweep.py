"""Sweeps whose study lives on a server: what they leave on disk, and what if it goes away."""

from collections import Counter

import optuna
import pytest

TOY = "toy/toy.py"
LOCAL = ("-m", "hydra/launcher=hpo_local", "hydra.sweeper.n_workers=2")
pytestmark = pytest.mark.timeout(180)


def password_of(url):
    return url.split(":")[2].split("@")[0]


def trials(storage):
    return optuna.load_study(study_name="toy", storage=storage).trials


def states(storage):
    return Counter(trial.state.name for trial in trials(storage))


def files_with(folder, password):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if password.encode() in path.read_bytes()]


def test_a_sweep_on_postgresql_leaves_no_password_anywhere(shell, database, storages, tmp_path):
    code, output = shell(TOY, *LOCAL, f"hydra.sweeper.storage={database}").end()
    assert code == 0, output
    assert states(storages("postgresql")) == {"COMPLETE": 4}
    assert password_of(database) not in output
    assert not files_with(tmp_path, password_of(database))
    assert "optuna:***@127" in (tmp_path / "sweep/multirun.yaml").read_text()
    assert not (tmp_path / "sweep/journal.log").exists()


@pytest.mark.slurm
def test_neither_does_one_in_a_job_array(shell, slurm, database, storages, tmp_path):
    arguments = ("hydra/launcher=hpo_slurm", "hydra.launcher.poll_s=0.5", *LOCAL[2:])
    environment = slurm.environment | {"ADDRESS": database}
    storage = "hydra.sweeper.storage=${oc.env:ADDRESS}"
    code, output = shell(TOY, "-m", *arguments, storage, environment=environment).end()
    assert code == 0, output
    assert states(storages("postgresql")) == {"COMPLETE": 4}
    assert password_of(database) not in output
    assert list(tmp_path.glob("sweep/workers/*/*.pkl"))
    assert not files_with(tmp_path, password_of(database))


def test_a_sweep_through_the_proxy(shell, proxy, storages):
    code, output = shell(TOY, *LOCAL, f"hydra.sweeper.storage={proxy}").end()
    assert code == 0, output
    assert "xperimental" not in output
    assert states(storages("grpc")) == {"COMPLETE": 4}


def test_a_sweep_goes_on_when_its_database_was_away(
    shell, postgres, database, storages, tmp_path, wait_until
):
    long = ("epochs=10", "epoch_s=0.4", "hydra.sweeper.lease_s=10")
    command = shell(TOY, *LOCAL, *long, f"hydra.sweeper.storage={database}")
    wait_until(lambda: len(list(tmp_path.glob("sweep/trials/*/epochs"))) == 2)
    postgres.stop()
    try:
        with pytest.raises(AssertionError):  # nobody leaves meanwhile
            wait_until(lambda: command.process.poll() is not None, limit_s=3)
    finally:
        postgres.start()
    code, output = command.end()
    assert code == 0, output
    assert states(storages("postgresql")) == {"COMPLETE": 4}
    done = trials(storages("postgresql"))
    assert all(list(trial.intermediate_values) == list(range(1, 11)) for trial in done)
    assert all("hpo:retries" not in trial.system_attrs for trial in done)
    log = "".join(path.read_text() for path in tmp_path.glob("sweep/**/*.log"))
    assert "unreachable" in output + log
    assert not files_with(tmp_path, password_of(database))


@pytest.mark.parametrize("wrong", ["password", "host"])
def test_a_server_that_refuses_is_one_clear_line(shell, postgres, wrong):
    url = postgres.url.replace(password_of(postgres.url), "hunter2")
    if wrong == "host":
        url = url.replace("127.0.0.1", "nowhere.invalid")
    code, output = shell(TOY, *LOCAL, f"hydra.sweeper.storage={url}").end()
    assert code == 2
    assert output.startswith("hydra.sweeper.storage: ")
    assert "hunter2" not in output
    assert "Traceback" not in output
    assert "workers; their output" not in output
