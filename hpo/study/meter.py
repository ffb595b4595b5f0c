"""What this process uses: its share of cores and GPUs by time, CPU time, and energy."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from commons.energy import gpus_joules, packages
from commons.processes import THREAD_VARIABLES, n_cores
from hpo.protocols import CORES, GPUS

_GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


@dataclass(frozen=True)
class Share:
    """What a worker occupies, alone or by its share: cores and GPUs, of all its ranks."""

    cores: float
    gpus: float


def share(environ: Mapping[str, str]) -> Share:
    """Return what a process with this environment occupies.

    Where no launcher has said so, these are the threads that it may start, at most its cores, and
    the GPUs that the variables name.
    """
    threads = environ.get(THREAD_VARIABLES[0], "")
    cores = min(n_cores(), int(threads) if threads.isdecimal() and int(threads) else n_cores())
    gpus = len(gpu_names(environ))
    return Share(_number(environ.get(CORES), cores), _number(environ.get(GPUS), gpus))


def gpu_names(environ: Mapping[str, str]) -> list[str]:
    """Return the GPUs that the first of the variables names; none without a variable."""
    value = next((environ[name] for name in _GPU_VARIABLES if name in environ), "")
    return [word.strip() for word in value.split(",") if word.strip() not in ("", "-1")]


def _number(text: str | None, default: float) -> float:
    try:
        number = float(text or "")
    except ValueError:
        return default
    return number if 0 <= number < 1e6 else default


@dataclass(frozen=True)
class Reading:
    """The counters of this process at a moment."""

    seconds: float
    cpu_s: float
    cpu_j: float | None
    gpu_j: float | None


def read() -> Reading:
    """Read the counters."""
    names, own, machine_j = gpu_names(os.environ), share(os.environ), packages().joules()
    gpus_j = gpus_joules(names) if names else None
    return Reading(
        time.monotonic(),
        sum(os.times()[:4]),
        None if machine_j is None else machine_j * min(1.0, own.cores / (os.cpu_count() or 1)),
        None if gpus_j is None else gpus_j * min(1.0, own.gpus / len(names)),
    )


def used_since(before: Reading) -> dict[str, float]:
    """Return what was used since a reading.

    `core_s` and `gpu_s`: what is occupied x time; `cpu_s`: time of processors, with that of ended
    child processes; `cpu_j` and `gpu_j`: the energy of this share of the machine (J), absent where
    it cannot be read.
    """
    now, own = read(), share(os.environ)
    seconds = now.seconds - before.seconds
    used = {"core_s": own.cores * seconds, "gpu_s": own.gpus * seconds}
    used["cpu_s"] = now.cpu_s - before.cpu_s
    if now.cpu_j is not None and before.cpu_j is not None:
        used["cpu_j"] = now.cpu_j - before.cpu_j
    if now.gpu_j is not None and before.gpu_j is not None:
        used["gpu_j"] = now.gpu_j - before.gpu_j
    return {name: round(value, 3) for name, value in used.items()}


def added(*uses: Mapping[str, float]) -> dict[str, float]:
    """Return the sum of what was used, name by name."""
    names = dict.fromkeys(name for use in uses for name in use)
    return {name: round(sum(use.get(name, 0.0) for use in uses), 3) for name in names}
