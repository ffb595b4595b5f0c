"""Everything of Lightning outside of its documented interface that we use, in one place.

`tests/mlpf/training/test_lightning_internals.py` says what of it is missing after an upgrade.
"""

from __future__ import annotations

from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning_fabric.utilities.exceptions import MisconfigurationException

__all__ = [
    "MisconfigurationException",
    "SLURMEnvironment",
    "TorchCheckpointIO",
    "TorchElasticEnvironment",
]
