"""The sweep of a project of lightning-hydra-template, with one line changed: `optuna_async`."""

import logging
import sys

import hydra
import pytest
import yaml

from hpo.storage.opening import open_storage

SEARCH = """\
# @package _global_
defaults:
  - override /hydra/sweeper: optuna_async
optimized_metric: val/acc_best
hydra:
  mode: MULTIRUN
  sweeper:
    _target_: hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper
    storage: null
    study_name: null
    n_jobs: 1
    direction: maximize
    n_trials: 20
    sampler:
      _target_: optuna.samplers.TPESampler
      seed: 1234
      n_startup_trials: 10
    params:
      model.optimizer.lr: interval(0.0001, 0.1)
      data.batch_size: choice(32, 64, 128, 256)
      model.net.lin1_size: choice(64, 128, 256)
"""
FILES = {
    "train.yaml": """\
defaults:
  - _self_
  - data: mnist
  - model: mnist
  - paths: default
  - hydra: default
  - hparams_search: null
task_name: train
optimized_metric: null
""",
    "data/mnist.yaml": "batch_size: 128\n",
    "model/mnist.yaml": "optimizer: {lr: 0.001, weight_decay: 0.0}\nnet: {lin1_size: 64}\n",
    "paths/default.yaml": "log_dir: ${hydra:runtime.cwd}/logs\n",
    "hydra/default.yaml": """\
run:
  dir: ${paths.log_dir}/${task_name}/runs/${now:%Y-%m-%d}_${now:%H-%M-%S}
sweep:
  dir: ${paths.log_dir}/${task_name}/multiruns/${now:%Y-%m-%d}_${now:%H-%M-%S}
  subdir: ${hydra.job.num}
""",
    "hparams_search/mnist_optuna.yaml": SEARCH,
}


def train(cfg):
    assert cfg.optimized_metric == "val/acc_best"
    return cfg.model.net.lin1_size / cfg.data.batch_size - cfg.model.optimizer.weight_decay


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs `python train.py hparams_search=mnist_optuna ...`; returns exit code and output."""
    for name, text in FILES.items():
        file = tmp_path / "configs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for step in ("draw", "prepare"):
        monkeypatch.setattr(f"hpo.report.Artist.{step}", lambda *_: None)  # slow, tested apart
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def command(*overrides, **sweeper):
        if sweeper:
            file = tmp_path / "configs/hparams_search/mnist_optuna.yaml"
            search = yaml.safe_load(SEARCH)
            search["hydra"]["sweeper"] |= sweeper
            file.write_text(f"# @package _global_\n{yaml.safe_dump(search, sort_keys=False)}")
        arguments = ["train.py", "hparams_search=mnist_optuna", *overrides]
        monkeypatch.setattr(sys, "argv", arguments)
        main = hydra.main(
            config_path=str(tmp_path / "configs"), config_name="train", version_base="1.3"
        )
        code = 0
        try:
            main(train)()
        except SystemExit as error:
            code = error.code
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    yield command
    root.handlers[:] = handlers
    root.setLevel(level)
    for logger in map(logging.getLogger, list(logging.root.manager.loggerDict)):
        logger.disabled = False


def study_of(folder):
    (journal,) = folder.rglob("journal.log")
    storage = open_storage(journal, journal.parent)
    return storage.get_all_trials(0)


def test_it_runs_and_the_same_command_goes_on(run, tmp_path):
    code, printed = run("hydra.sweeper.n_trials=1")
    assert code == 0, printed
    code, printed = run("hydra.sweeper.n_trials=2")
    assert code == 0, printed
    trials = study_of(tmp_path)
    assert [t.state.name for t in trials] == ["COMPLETE"] * 2
    assert trials[0].params.keys() == {
        "model.optimizer.lr",
        "data.batch_size",
        "model.net.lin1_size",
    }
    assert "Traceback" not in printed


def test_other_keys_of_hydra_optuna_sweeper_work(run, tmp_path):
    (tmp_path / "extra_keys.py").write_text(
        "def more(cfg, trial):\n    trial.suggest_float('model.optimizer.weight_decay', 0, 1)\n"
    )
    code, printed = run(
        n_trials=1,
        max_failure_rate=0.5,
        custom_search_space="extra_keys.more",
        params={},
        search_space={
            "model.optimizer.lr": {"type": "float", "low": 1e-4, "high": 0.1, "log": True},
            "data.batch_size": {"type": "categorical", "choices": [32, 64]},
            "model.net.lin1_size": {"type": "int", "low": 64, "high": 256, "step": 64},
        },
    )
    assert code == 0, printed
    (trial,) = study_of(tmp_path)
    assert trial.params.keys() == {
        "model.optimizer.lr",
        "data.batch_size",
        "model.net.lin1_size",
        "model.optimizer.weight_decay",
    }


@pytest.mark.parametrize(
    ("sweeper", "line"),
    [
        ({"direction": ["maximize", "up"]}, "hydra.sweeper.direction must be"),
        ({"n_startup": 1}, "hydra.sweeper.n_startup: no such setting"),
        (
            {"search_space": {"data.batch_size": {"type": "int", "low": 1}}, "params": {}},
            "data.batch_size: an entry of type int needs high",
        ),
        (
            {"params": {"data.batch_size": "tag(log, choice(1, 2))"}},
            "data.batch_size=tag(log",
        ),
        ({"sampler": {"_target_": "optuna.samplers.MOTPESampler"}}, "hydra.sweeper.sampler: "),
    ],
)
def test_what_cannot_work_is_one_line(run, tmp_path, sweeper, line):
    code, printed = run(**sweeper)
    assert code == 2
    assert line in printed
    assert "Traceback" not in printed
    assert not [*tmp_path.rglob("journal.log")]
