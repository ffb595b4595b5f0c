"""A Hydra job in a process of its own: what the process receives, and how it runs the job."""

from __future__ import annotations

import copy
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudpickle
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from commons.files import replacing
from commons.optuna_start import import_optuna
from hpo.hydra_internals import (
    JobReturn,
    compose_job,
    error_of,
    global_state,
    restore_global_state,
    run,
)
from hpo.launch.script import Script
from hpo.protocols import SweepWorker
from hpo.settings import SweepError
from hpo.storage.passwords import hide_in


@dataclass(frozen=True)
class Payload:
    """What a process needs to run jobs: the parts of Hydra that every job gets."""

    context: HydraContext
    config: DictConfig
    function: TaskFunction
    singletons: Any = field(default_factory=global_state)
    script: Script = field(default_factory=Script.of_this_process)

    def pack(self) -> bytes:
        """Return it as bytes for `unpack`."""
        return bytes(cloudpickle.dumps(self))

    def compose(self, overrides: Sequence[str], number: int) -> DictConfig:
        """Return the configuration of job `number`."""
        config, worker = None, self.function
        if isinstance(worker, SweepWorker):
            config = worker.composed(overrides)
        if config is None:
            config = compose_job(self.context.config_loader, self.config, list(overrides))
            hide_in(config)
        with open_dict(config.hydra.job):
            config.hydra.job.id = str(number)
            config.hydra.job.num = number
        return config

    def compose_alike(
        self, other: DictConfig, overrides: Sequence[str], number: int
    ) -> DictConfig:
        """Return the configuration of a job whose last override, its folder, alone is another.

        Hydra would take a tenth of a second for it. `other` is that of the other job.
        """
        config, (*_, folder) = copy.deepcopy(other), overrides
        key, _, value = folder.partition("=")
        if key != "hydra.sweep.subdir":
            return self.compose(overrides, number)
        with open_dict(config.hydra):
            config.hydra.job.id, config.hydra.job.num = str(number), number
            config.hydra.sweep.subdir = value
            config.hydra.overrides.hydra[-1] = folder
        return config

    def run(self, config: DictConfig) -> JobReturn:
        """Run the task with this configuration, in the folder that it names."""
        OmegaConf.set_struct(config, True)
        return run(self.context, config, self.function)


def unpack(data: bytes) -> Payload:
    """Return what `Payload.pack` made; give this process Hydra's global state and its `__main__`.

    Unpickling runs code: the data must come from a process of ours.
    """
    import_optuna()
    payload: Payload = cloudpickle.loads(data)
    restore_global_state(payload.singletons)
    payload.script.adopt()
    return payload


def write_result(result: JobReturn, path: Path) -> None:
    """Write a job's result for `read_result`; the file appears as a whole or not at all."""
    with replacing(path) as partial:
        partial.write_bytes(cloudpickle.dumps(result))


def exit_code(result: JobReturn) -> int:
    """Return the exit code of a process whose job has this result, after its error is printed."""
    error = error_of(result)
    if isinstance(error, SweepError):
        sys.stderr.write(f"error: {error}\n")
    elif error is not None:
        traceback.print_exception(error)
    return int(error is not None)


def read_result(path: Path) -> JobReturn | None:
    """Return what `write_result` wrote, None if nothing; only for files of our own jobs."""
    if not path.exists():
        return None
    result: JobReturn = cloudpickle.loads(path.read_bytes())
    return result
