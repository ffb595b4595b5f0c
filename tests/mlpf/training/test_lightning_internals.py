"""What `mlpf.training.lightning_internals` needs of Lightning: a canary for upgrades."""

import inspect

import pytest
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.strategies import DDPStrategy, Strategy

from mlpf.training import lightning_internals as internals

ADAPT = "adapt mlpf/training/lightning_internals.py"


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("SLURMEnvironment", "detect"),
        ("TorchElasticEnvironment", "detect"),
        ("TorchCheckpointIO", "save_checkpoint"),
    ],
)
def test_the_classes_have_the_methods_that_we_call_or_replace(name, method):
    assert callable(getattr(getattr(internals, name), method, None)), f"{name}.{method}: {ADAPT}"


def test_a_checkpoint_is_saved_with_the_arguments_that_we_take():
    parameters = [*inspect.signature(internals.TorchCheckpointIO.save_checkpoint).parameters]
    assert parameters == ["self", "checkpoint", "path", "storage_options"], ADAPT


def test_a_wrong_setting_of_the_trainer_is_a_misconfiguration():
    with pytest.raises(internals.MisconfigurationException):
        pl.Trainer(precision="32-true", accelerator="cpu", devices=1, max_epochs=-2, logger=False)


def test_the_model_of_a_strategy_can_be_replaced():
    assert isinstance(Strategy.model, property), ADAPT
    assert Strategy.model.fset is not None, ADAPT
    assert issubclass(DDPStrategy, Strategy)
    assert "start_method" in inspect.signature(DDPStrategy).parameters


def test_a_callback_learns_of_an_exception():
    parameters = [*inspect.signature(Callback.on_exception).parameters]
    assert parameters == ["self", "trainer", "pl_module", "exception"], ADAPT
