"""Secrets in every place where a user may put one, and every file, log and pickle of a sweep."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PLUGINS = """
import optuna, hpo

def connect(url, dsn, password, passwd, token, secret, key, from_environment, connect_args):
    given = (url, dsn, password, passwd, token, secret, key, from_environment, connect_args)
    assert str(given).count("PLANTED") == 10, given
    return hpo.open_storage("sweep/journal.log", ".")

class Sampler(optuna.samplers.RandomSampler):
    def __init__(self, token, seed=1):
        assert token == "PLANTED-11"
        super().__init__(seed=1)

class Pruner(optuna.pruners.NopPruner):
    def __init__(self, qpu):
        assert qpu["api_key"] == "PLANTED-12"
"""
CONFIG = """
defaults:
  - _self_
  - override hydra/sweeper: optuna_async
  - override hydra/sweeper/sampler: random
  - override hydra/sweeper/pruner: none
  - override hydra/launcher: hpo_local
x: 0
storage:
  _target_: plugins.connect
  url: postgresql://me:PLANTED-01@host/db?sslmode=require&sslpassword=PLANTED-02
  dsn: host=h user=me password='PLANTED-03' dbname=d
  password: PLANTED-04
  passwd: PLANTED-05
  token: PLANTED-06
  secret: [PLANTED-07]
  key: PLANTED-08
  from_environment: {password: "${oc.env:DB_PASSWORD}"}
  connect_args: {password: PLANTED-10}
copy: ${storage}
logger: {api_key: PLANTED-13}
db: {url: "mysql://me:${db.password}@h/d", password: PLANTED-14}
cloud: {secret: null}
text: null
hydra:
  sweep: {dir: sweep}
  job: {env_set: {SITE_TOKEN: PLANTED-15}}
  sweeper:
    study_name: s
    n_trials: 2
    n_workers: 1
    max_failure_rate: 1
    storage: ${storage}
    sampler: {_target_: plugins.Sampler, token: PLANTED-11}
    pruner: {_target_: plugins.Pruner, qpu: {api_key: PLANTED-12}}
    params: {x: "choice(1, 2)"}
"""
APP = """
import logging, os, pathlib
import hydra, hpo
from hpo.launch import payload

def planted(number):  # the source of a script travels to the workers
    return bytes.fromhex("504c414e544544").decode() + number

@hydra.main(config_path=".", config_name="app", version_base="1.3")
def main(cfg):
    pathlib.Path("cmdline").write_bytes(pathlib.Path("/proc/self/cmdline").read_bytes())
    assert cfg.logger.api_key == planted("-13")
    assert cfg.db.url == f"mysql://me:{planted('-14')}@h/d"
    assert os.environ["SITE_TOKEN"] == planted("-15")
    assert cfg.cloud.secret == planted("-16")
    assert cfg.text == f"of {planted('-17')} and {planted('-01')}"
    logging.getLogger().warning("logged: %s", cfg.logger.api_key)
    if hpo.current_trial().number == 0:
        raise RuntimeError(f"refused: {cfg.logger.api_key}")
    return 1.0

if __name__ == "__main__":
    pack = payload.Payload.pack
    def kept(self):
        pathlib.Path("payload.pkl").write_bytes(pack(self))
        return pack(self)
    payload.Payload.pack = kept
    main()
"""


@pytest.fixture
def planted(tmp_path, monkeypatch):
    for name, text in (("plugins.py", PLUGINS), ("app.yaml", CONFIG), ("app.py", APP)):
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{tmp_path}")
    monkeypatch.setenv("DB_PASSWORD", "PLANTED-09")
    return tmp_path


def test_planted_secrets_work_and_are_found_nowhere(planted):
    arguments = ["-m", "cloud.secret=PLANTED-16", "text='of PLANTED-17 and PLANTED-01'"]
    arguments += ["+auth_token=PLANTED-17", "+sub.password=PLANTED-18"]
    command = [sys.executable, "app.py", *arguments]
    ended = subprocess.run(command, cwd=planted, capture_output=True, text=True, check=False)
    output = ended.stdout + ended.stderr
    assert ended.returncode == 0, output
    sources = {"plugins.py", "app.yaml", "app.py"}
    written = [path for path in planted.rglob("*") if path.is_file() and path.name not in sources]
    assert {"payload.pkl", "cmdline", "journal.log", "multirun.yaml", "overrides.yaml"} <= {
        path.name for path in written
    }
    told = [path for path in written if b"PLANTED" in path.read_bytes() and path.suffix != ".pyc"]
    assert told == []
    assert "PLANTED" not in output
    assert "refused: ***" in (planted / "sweep/journal.log").read_text()
    assert "logged: ***" in "".join(p.read_text() for p in planted.rglob("*.log"))
    assert (planted / "sweep").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_may_write_into_is_warned_of(toy, tmp_path):
    folder = tmp_path / "sweep"
    folder.mkdir()
    folder.chmod(0o770)
    code, printed = toy("-m", "hydra.sweeper.n_trials=1")
    assert code == 0
    assert f"others may write into {folder} and so run programs as you" in printed
    folder.chmod(0o755)
    assert "others may write" not in toy("-m", "hydra.sweeper.n_trials=2")[1]


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("add", "hydra.sweeper.add: postgresql://me:***@127.0.0.1:1/old: "),
        ("enqueue", "hydra.sweeper.enqueue: postgresql://me:***@127.0.0.1:1/old: "),
    ],
)
def test_the_password_of_another_study_is_not_shown(toy, tmp_path, key, told):
    url = "postgresql://me:s3cret@127.0.0.1:1/old"
    code, printed = toy("-m", f"hydra.sweeper.{key}=['{url}']")
    assert code == 2
    assert told in printed
    assert "s3cret" not in printed
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any("s3cret" in path.read_text() for path in files)


def test_a_hyperparameter_with_the_name_of_a_secret_keeps_its_first_value(toy, study):
    first = "hydra.sweeper.enqueue=[{x: 0.5, n_key: 7}]"
    code, printed = toy("-m", first, "+n_key=range(1,9)", "hydra.sweeper.n_trials=1")
    assert code == 0, printed
    assert study().trials[0].params == {"x": 0.5, "+n_key": 7}
