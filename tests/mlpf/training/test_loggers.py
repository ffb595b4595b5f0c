"""Loggers: each keeps the hyperparameters of a training, its trial and its study."""

import json
import os
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from mlpf.config import ConfigError
from mlpf.training.loggers import check_loggers, hyperparameters, make_loggers, opened

LOGGERS = Path(__file__).parents[3] / "conf/logger"


@pytest.fixture
def trial(monkeypatch):
    overrides = {"task": ["model=gnn_lsh", "optimizer.lr=0.01"]}
    job = OmegaConf.create({"job": {"num": 7}, "overrides": overrides})
    monkeypatch.setattr(HydraConfig, "initialized", lambda: True)
    monkeypatch.setattr(HydraConfig, "get", lambda: job)


@pytest.fixture(autouse=True)
def nothing_is_sent(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith(("WANDB", "MLFLOW"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "wandb"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "wandb"))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "wandb"))


@pytest.fixture
def config(tmp_path):
    def compose(logger, **more):
        node = OmegaConf.load(LOGGERS / f"{logger}.yaml")
        node = OmegaConf.to_container(node, resolve=False)
        node[logger] |= more
        return OmegaConf.create(
            {
                "paths": {"output_dir": str(tmp_path)},
                "hpo": {"study_name": "asha_bo"},
                "objective": {"name": "val_loss"},
                "optimizer": {"lr": 0.01, "betas": [0.9, 0.99]},
                "seed": 1,
                "logger": node,
            }
        )

    return compose


def log(cfg, run_dir):
    run_dir.mkdir(exist_ok=True)
    loggers = make_loggers(cfg, run_dir)
    with opened(loggers, cfg, run_dir):
        for epoch in range(3):
            loggers[0].log_metrics({"val_loss": 1 / (epoch + 1)}, step=epoch)
        loggers[0].finalize("success")


def test_hyperparameters_are_the_settings_of_the_training_alone(trial, config):
    values = hyperparameters(config("csv"))
    assert values == {
        "objective.name": "val_loss",
        "optimizer.lr": 0.01,
        "optimizer.betas": "[0.9, 0.99]",
        "seed": 1,
        "study": "asha_bo",
        "trial": 7,
    }


def test_csv_keeps_hyperparameters_and_the_rows_of_both_parts(trial, config, tmp_path):
    cfg, run_dir = config("csv"), tmp_path / "0007"
    log(cfg, run_dir)
    log(cfg, run_dir)
    for version in ("version_0", "version_1"):
        assert len((run_dir / "csv" / version / "metrics.csv").read_text().splitlines()) == 4
        kept = OmegaConf.load(run_dir / "csv" / version / "hparams.yaml")
        assert (kept["optimizer.lr"], kept["trial"], kept["study"]) == (0.01, 7, "asha_bo")


def test_tensorboard_shows_the_searched_values_in_its_tab(trial, config, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run_dir = tmp_path / "0007"
    log(config("tensorboard"), run_dir)
    events = EventAccumulator(str(run_dir / "tensorboard")).Reload()
    assert [round(each.value, 3) for each in events.Scalars("val_loss")] == [1, 0.5, 0.333]
    session = events.summary_metadata["_hparams_/session_start_info"]
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    data = HParamsPluginData.FromString(session.plugin_data.content)
    shown = {name: value.number_value for name, value in data.session_start_info.hparams.items()}
    assert shown == {"optimizer.lr": 0.01, "trial": 7}
    experiment = events.summary_metadata["_hparams_/experiment"].plugin_data.content
    metrics = HParamsPluginData.FromString(experiment).experiment.metric_infos
    assert [metric.name.tag for metric in metrics] == ["val_loss"]
    kept = OmegaConf.load(run_dir / "tensorboard/hparams.yaml")
    assert kept["optimizer.lr"] == 0.01


@pytest.mark.filterwarnings("ignore:.*noload")  # of SQLAlchemy, in MLflow
def test_mlflow_has_the_study_as_experiment_and_a_resumed_trial_as_one_run(
    trial, config, tmp_path
):
    import mlflow

    cfg, run_dir = config("mlflow"), tmp_path / "0007"
    log(cfg, run_dir)
    cfg.optimizer.lr = 0.5  # MLflow would refuse another value
    log(cfg, run_dir)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("asha_bo")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "trial 7"
    assert run.data.params["optimizer.lr"] == "0.01"
    assert (run.data.params["trial"], run.data.params["study"]) == ("7", "asha_bo")
    history = client.get_metric_history(run.info.run_id, "val_loss")
    assert [metric.step for metric in history] == [0, 1, 2, 0, 1, 2]


def test_wandb_writes_a_run_of_the_group_offline(trial, config, tmp_path):
    cfg, run_dir = config("wandb"), tmp_path / "0007"
    (logger,) = loggers = make_loggers(cfg, run_dir)
    run_dir.mkdir()
    with opened(loggers, cfg, run_dir):
        run = logger.experiment
        assert (run.group, run.name, run.project) == ("asha_bo", "trial 7", "mlpf")
        assert dict(run.config)["optimizer.lr"] == 0.01
        assert dict(run.config)["trial"] == 7
        logger.log_metrics({"val_loss": 1.0}, step=1)
    (folder,) = (run_dir / "wandb").glob("offline-run-*")
    assert folder.name.endswith(run.id)
    assert list(folder.glob("*.wandb"))
    (again,) = make_loggers(cfg, run_dir)
    (other,) = make_loggers(cfg, tmp_path / "0008")
    assert again.version == run.id != other.version


def test_a_name_that_the_user_gives_stays(trial, config, tmp_path):
    (logger,) = make_loggers(config("wandb", group="mine", name="best"), tmp_path)
    assert (logger._wandb_init["group"], logger._wandb_init["name"]) == ("mine", "best")


def test_a_package_that_is_missing_is_named_with_its_extra(config, monkeypatch):
    monkeypatch.setattr("mlpf.training.loggers.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"logger.wandb: .*pip install 'mlpf-hpo\[wandb\]'"):
        check_loggers(config("wandb"))


@pytest.mark.parametrize("logger", ["csv", "mlflow"])
def test_a_wrong_key_names_itself(config, logger, tmp_path):
    with pytest.raises(ConfigError, match=rf"^logger.{logger}.prefx: .*did you mean prefix"):
        check_loggers(config(logger, prefx="a"))
    assert not list(tmp_path.iterdir())


def test_a_value_that_a_logger_refuses_is_told(config, tmp_path):
    with pytest.raises(ConfigError, match=r"^logger.wandb: .*log_model=True"):
        make_loggers(config("wandb", log_model=True), tmp_path)


def test_without_a_sweep_the_run_has_the_name_of_its_folder(config, tmp_path):
    cfg = config("csv")
    cfg.hpo = None
    cfg.logger = OmegaConf.load(LOGGERS / "wandb.yaml")
    (logger,) = make_loggers(cfg, tmp_path / "first")
    assert (logger._wandb_init["group"], logger._wandb_init["name"]) == (None, "first")
    assert json.dumps(hyperparameters(cfg))  # plain values only
    assert "trial" not in hyperparameters(cfg)
