import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from pytorch_lightning.trainer.states import TrainerFn

from hpo.current import set_current_trial
from hpo.lightning import ReportTrial

HERE = Path(__file__).parent


def test_ranks_stop_together_when_rank_0_is_told_to():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    ranks = []
    for rank in ("0", "1"):
        environment = {
            **os.environ,
            "PYTHONPATH": str(HERE.parent.parent),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            "NODE_RANK": rank,
            "LOCAL_RANK": "0",
            "OMP_NUM_THREADS": "1",
        }
        ranks.append(
            subprocess.Popen(
                [sys.executable, "-W", "ignore", str(HERE / "ddp_rank.py"), rank],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    outputs = [rank.communicate(timeout=120)[0] for rank in ranks]
    assert all("stopped after 2" in output for output in outputs), outputs


@pytest.mark.parametrize("stage", ["validate", "sanity check"])
def test_only_validations_of_a_fit_are_reported(stage):
    function = TrainerFn.FITTING if stage == "sanity check" else TrainerFn.VALIDATING
    trainer = SimpleNamespace(
        sanity_checking=stage == "sanity check", state=SimpleNamespace(fn=function)
    )
    ReportTrial().on_validation_end(trainer, None)


def test_a_metric_that_is_not_logged_is_named_with_those_that_are():
    trainer = SimpleNamespace(
        sanity_checking=False,
        state=SimpleNamespace(fn=TrainerFn.FITTING),
        callback_metrics={"val_loss": 1.0},
    )
    with pytest.raises(ValueError, match="monitor=auc is not among the logged metrics: val_loss"):
        ReportTrial("auc").on_validation_end(trainer, None)


def test_a_trial_records_the_data_that_the_data_module_tells():
    noted = {}
    trial = SimpleNamespace(note=noted.update)
    for fingerprint, expected in ((lambda: "abc", {"data": "abc"}), (None, {"data": "abc"})):
        data = SimpleNamespace(fingerprint=fingerprint)
        set_current_trial(trial)
        try:
            ReportTrial().on_fit_start(SimpleNamespace(datamodule=data, is_global_zero=True), None)
        finally:
            set_current_trial(None)
        assert noted == expected


def test_the_named_metrics_are_shown_but_those_that_are_not_logged_and_the_monitored_one():
    seen = []
    trial = SimpleNamespace(should_stop=lambda *values, **options: seen.append((values, options)))
    trainer = SimpleNamespace(
        sanity_checking=False,
        is_global_zero=True,
        state=SimpleNamespace(fn=TrainerFn.FITTING),
        callback_metrics={"val_loss": 1.0, "val_ratio": 0.8, "lr": 0.1},
        current_epoch=2,
        max_epochs=3,
        strategy=SimpleNamespace(broadcast=bool),
    )
    set_current_trial(trial)
    try:
        ReportTrial(show=["val_loss", "val_ratio", "val_jets"]).on_validation_end(trainer, None)
    finally:
        set_current_trial(None)
    assert seen == [((1.0, 3), {"final": True, "figures": {"val_ratio": 0.8}})]
