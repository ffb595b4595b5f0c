"""Figures of a whole training beside its loss: size, speed and memory of the network."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Final

import torch
from torch import nn

from mlpf.data.batch import Batch

TIME: Final = "inference_time_ms"
FIGURES: Final = (TIME, "n_parameters", "peak_memory_gb")  # of a whole training, not of an epoch
_N_BATCHES = 10
_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def reset_peak_memory() -> None:
    """Let `peak_memory_gb` count from now: a worker trains many networks in one process."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        _RESET.write_text("5")
    except OSError:
        return  # the peak is then that of the process


def peak_memory_gb() -> float:
    """Return the largest memory of this process, of its GPU if it has used one (1e9 bytes)."""
    if torch.cuda.is_available() and (peak := torch.cuda.max_memory_allocated()) > 0:
        return peak / 1e9
    try:
        lines = _STATUS.read_text().splitlines()
        return int(next(x.split()[1] for x in lines if x.startswith("VmHWM"))) * 1024 / 1e9
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def inference_time_ms(network: nn.Module, batches: Iterable[Batch]) -> float:
    """Return the CPU time of a forward pass per event, the median over ten batches (ms).

    It is the time of all threads of this process, so other processes on the machine do not count.
    """
    network, was_training = network.to("cpu"), network.training
    network.eval()
    times = []
    with torch.inference_mode():
        for batch in islice(batches, _N_BATCHES):
            on_cpu = batch.to(torch.device("cpu"))
            begin = time.process_time()
            network(on_cpu)
            times.append((time.process_time() - begin) * 1e3 / len(on_cpu))
    network.train(was_training)
    return statistics.median(times)


def n_parameters(network: nn.Module) -> int:
    """Return how many numbers are trained."""
    return sum(each.numel() for each in network.parameters() if each.requires_grad)
