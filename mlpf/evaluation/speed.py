"""Time and memory of a network against the number of elements of an event."""

from __future__ import annotations

import ctypes
import gc
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from mlpf.data.events import Events
from mlpf.network.candidates import predict
from mlpf.physics.results import MLPF, Curve, Result, Row, number

SIZES: Final = (1280, 2560, 5120, 12800)  # elements
_REPEATS: Final = 5


def scan(network: nn.Module, events: Events) -> Iterator[Result]:
    """Yield `ms_per_event` and `mb_per_event` of events of several sizes, alone in a batch.

    Args:
        network: in evaluation mode.
        events: at least one element; theirs are concatenated and repeated.
    """
    values: dict[str, list[float]] = {"ms_per_event": [], "mb_per_event": []}
    for size in SIZES:
        rows = np.resize(np.arange(len(events.x)), size)
        tables = (events.x[rows], events.ygen[rows], events.ycand[rows])
        event = Events(*tables, np.array([0, size]))
        milliseconds, megabytes = _measured(network, event)
        values["ms_per_event"].append(milliseconds)
        values["mb_per_event"].append(megabytes)
    for name, measured in values.items():
        unit = name.partition("_")[0].replace("mb", "MB")
        for size, value in zip(SIZES, measured, strict=True):
            yield Row(name, f"{size} elements", MLPF, number(value), None, _REPEATS, unit)
        yield Curve(
            *(name, "batch 1", MLPF, "elements", f"{unit} per event", unit),
            x=[float(size) for size in SIZES],
            values=[number(value) for value in measured],
            errors=[None] * len(SIZES),
            n=[_REPEATS] * len(SIZES),
        )


def _measured(network: nn.Module, event: Events) -> tuple[float, float]:
    """Return the fastest time in ms, and by how much the memory in use grows meanwhile in MB."""
    is_cuda = next(network.parameters()).is_cuda
    predict(network, event)  # to warm up
    before = _start_memory(is_cuda)
    seconds = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        predict(network, event)
        seconds.append(time.perf_counter() - start)
    return 1000 * min(seconds), (_peak_memory(is_cuda) - before) / 2**20


def _start_memory(is_cuda: bool) -> float:
    if is_cuda:
        torch.cuda.reset_peak_memory_stats()
        return float(torch.cuda.memory_allocated())
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)  # gives back what was freed
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
    except (AttributeError, OSError):  # not Linux with glibc
        return math.nan
    return _status("VmRSS")


def _peak_memory(is_cuda: bool) -> float:
    return float(torch.cuda.max_memory_allocated()) if is_cuda else _status("VmHWM")


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * float(line.split()[1]) for line in lines if line.startswith(name))
