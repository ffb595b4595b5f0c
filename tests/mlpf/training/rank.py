"""One rank of several trainings in a row; writes what came of each to a file.

Usage: rank.py RANK STEPS RESULT, where STEPS is a JSON list of what `step` takes.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch.distributed
from omegaconf import OmegaConf

import mlpf.generation.generate
from hpo.current import set_current_trial
from mlpf.data.files import read_events, write_events
from mlpf.training.checkpoint import EpochCheckpoints
from mlpf.training.fit import train
from mlpf.training.module import TrainingModule

losses = []
original_step = TrainingModule.training_step
original_end = EpochCheckpoints.on_train_epoch_end


def record(self, trainer, module):
    losses.append(float(trainer.callback_metrics["val_loss"]))
    original_end(self, trainer, module)


def copy_events(file):
    """Give the generator the first events of a file in the place of Pythia."""

    def run_tasks(function, jobs, **options):
        time.sleep(2)
        events = read_events(Path(file))
        for job in jobs:
            write_events(events.take(np.arange(job.n_events)), job.path, job.provenance())
        return [(0.0, 0.0)] * len(jobs)

    mlpf.generation.generate.run_tasks = run_tasks
    mlpf.generation.generate._prepare = lambda *arguments: None


class StopsAfter:
    def __init__(self, epoch):
        self.epoch = epoch

    def should_stop(self, value, step, *, final, figures):
        return step >= self.epoch

    def note(self, facts):
        pass


def step(rank, port, config, folders, stop_after=None, fail_in=None, events=None):
    if events:
        copy_events(events)
    os.environ["MASTER_PORT"] = str(port)

    def training_step(self, batch, batch_idx):
        if rank == 1 and self.current_epoch + 1 == fail_in:
            raise MemoryError("no memory left")
        return original_step(self, batch, batch_idx)

    TrainingModule.training_step = training_step
    set_current_trial(StopsAfter(stop_after) if stop_after and rank == 0 else None)
    losses.clear()
    start = time.monotonic()
    result = {}
    try:
        result["value"] = train(OmegaConf.load(config), Path(folders[rank]))
    except Exception as error:  # noqa: BLE001
        result |= {"error": type(error).__name__, "message": str(error)}
        result["seconds"] = time.monotonic() - start
        if fail_in and rank == 1:
            time.sleep(10)  # as who writes a report; the error, and what it holds, is alive
    return result | {"losses": list(losses), "group": torch.distributed.is_initialized()}


if __name__ == "__main__":
    rank = int(sys.argv[1])
    EpochCheckpoints.on_train_epoch_end = record
    results = [step(rank, **options) for options in json.loads(Path(sys.argv[2]).read_text())]
    Path(sys.argv[3]).write_text(json.dumps(results))
