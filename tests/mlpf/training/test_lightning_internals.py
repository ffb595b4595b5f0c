"""What we use of Lightning outside of its documentation is there, or the upgrade is named."""

import pytest
import pytorch_lightning as pl

from mlpf.training.lightning_internals import MisconfigurationException
from tests.canary import missing

NEEDS = [
    "lightning_fabric.plugins.environments.slurm:SLURMEnvironment.detect()",
    "lightning_fabric.plugins.environments.torchelastic:TorchElasticEnvironment.detect()",
    "lightning_fabric.plugins.io.torch_io:TorchCheckpointIO.save_checkpoint(checkpoint, path)",
    "lightning_fabric.plugins.io.torch_io:TorchCheckpointIO.save_checkpoint(storage_options)",
    "lightning_fabric.utilities.exceptions:MisconfigurationException",
    "pytorch_lightning.strategies:DDPStrategy(start_method)",
    "pytorch_lightning.strategies:Strategy.model.fset",
    "pytorch_lightning.callbacks:Callback.on_exception(trainer, pl_module, exception)",
]


def test_lightning_has_what_we_use():
    lacks = missing("pytorch_lightning", NEEDS)
    assert not lacks, lacks


def test_a_wrong_option_of_the_trainer_is_a_misconfiguration():
    with pytest.raises(MisconfigurationException):
        pl.Trainer(accelerator="cpu", devices=1, max_epochs=-2, logger=False)
