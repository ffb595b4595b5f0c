"""Machine-learned particle flow: events, networks, training and physics performance."""

from __future__ import annotations

from commons.exports import lazy

TYPE_CHECKING = False  # as type checkers know it; importing typing takes most of the time
if TYPE_CHECKING:
    from mlpf.command import SearchSpaceNeedsSearch
    from mlpf.data.candidates import Candidates
    from mlpf.data.datamodule import EventDataModule
    from mlpf.data.events import Events
    from mlpf.data.files import iterate_events, read_events, write_events
    from mlpf.data.generator import Generator
    from mlpf.data.selection import Selection
    from mlpf.generation.source import PythiaSource
    from mlpf.network.candidates import particles
    from mlpf.network.gravnet import GravNet
    from mlpf.network.model import MLPF
    from mlpf.network.saved import load_network
    from mlpf.network.transformer import Transformer
    from mlpf.schema import Particle
    from mlpf.training.callbacks import MetricsFile
    from mlpf.training.checkpoint import EpochCheckpoints
    from mlpf.training.fit import check_training
    from mlpf.training.losses import ParticleFlowLoss
    from mlpf.training.physics import ValidationPhysics
    from mlpf.training.resuming import check_change
    from mlpf.training.schedulers import (
        constant_schedule,
        cosine_schedule,
        exponential_schedule,
        onecycle_schedule,
    )
    from mlpf.training.trainer import build_trainer

__version__ = "0.1.0"

__all__ = [
    "MLPF",
    "Candidates",
    "EpochCheckpoints",
    "EventDataModule",
    "Events",
    "Generator",
    "GravNet",
    "MetricsFile",
    "Particle",
    "ParticleFlowLoss",
    "PythiaSource",
    "SearchSpaceNeedsSearch",
    "Selection",
    "Transformer",
    "ValidationPhysics",
    "build_trainer",
    "check_change",
    "check_training",
    "constant_schedule",
    "cosine_schedule",
    "exponential_schedule",
    "iterate_events",
    "load_network",
    "onecycle_schedule",
    "particles",
    "read_events",
    "write_events",
]

if not TYPE_CHECKING:  # so that type checkers refuse other names
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "MLPF": "mlpf.network.model",
            "Candidates": "mlpf.data.candidates",
            "EpochCheckpoints": "mlpf.training.checkpoint",
            "EventDataModule": "mlpf.data.datamodule",
            "Events": "mlpf.data.events",
            "Generator": "mlpf.data.generator",
            "GravNet": "mlpf.network.gravnet",
            "MetricsFile": "mlpf.training.callbacks",
            "Particle": "mlpf.schema",
            "ParticleFlowLoss": "mlpf.training.losses",
            "PythiaSource": "mlpf.generation.source",
            "SearchSpaceNeedsSearch": "mlpf.command",
            "Selection": "mlpf.data.selection",
            "ValidationPhysics": "mlpf.training.physics",
            "Transformer": "mlpf.network.transformer",
            "build_trainer": "mlpf.training.trainer",
            "check_change": "mlpf.training.resuming",
            "check_training": "mlpf.training.fit",
            "constant_schedule": "mlpf.training.schedulers",
            "cosine_schedule": "mlpf.training.schedulers",
            "exponential_schedule": "mlpf.training.schedulers",
            "iterate_events": "mlpf.data.files",
            "load_network": "mlpf.network.saved",
            "onecycle_schedule": "mlpf.training.schedulers",
            "particles": "mlpf.network.candidates",
            "read_events": "mlpf.data.files",
            "write_events": "mlpf.data.files",
        },
    )
