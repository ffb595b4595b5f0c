"""Energy counters of this machine: the packages of its processors and its GPUs, where readable.

Sources: Linux' power capping (`/sys/class/powercap`, RAPL of Intel and AMD; many sites let only
root read it), NVIDIA's NVML through `nvidia-ml-py` (the extra `energy`), and `rocm-smi`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

_POWERCAP = Path("/sys/class/powercap")
_EVERY_S = 60.0  # the counters overflow after 65 kJ or more: minutes of a busy processor
_TIMEOUT_S = 10


class Packages:
    """The energy of all processor packages since this object was made.

    Args:
        root: the folder of Linux' power capping, if it is another one.
    """

    def __init__(self, root: Path | None = None) -> None:
        zones = sorted((root or _POWERCAP).glob("intel-rapl:*"))
        self._zones = [zone for zone in zones if zone.name.count(":") == 1]
        self._lock = threading.Lock()
        self._last = self._counters()
        self._joules = 0.0

    def joules(self) -> float | None:
        """Return the energy (J); None: it cannot be read."""
        with self._lock:
            now = self._counters()
            if not self._last or len(now) != len(self._last):
                return None
            pairs = zip(self._zones, self._last, now, strict=True)
            self._joules += sum(_step(zone, before, after) for zone, before, after in pairs) / 1e6
            self._last = now
            return self._joules

    def _counters(self) -> list[int]:
        try:
            return [int((zone / "energy_uj").read_text()) for zone in self._zones]
        except (OSError, ValueError):
            return []


def _step(zone: Path, before: int, after: int) -> int:
    if after >= before:
        return after - before
    return after - before + int((zone / "max_energy_range_uj").read_text())  # it has overflown


def gpus_joules(names: Iterable[str]) -> float | None:
    """Return the energy counters of GPUs (J), added; None: one of them cannot be read.

    Args:
        names: indices, or NVIDIA's UUIDs. An instance of MIG has no counter of its own.
    """
    readings = [_nvml(name) for name in names]
    if None in readings:
        readings = [_rocm().get(name) for name in names]
    known = [joules for joules in readings if joules is not None]
    return sum(known) if known and len(known) == len(readings) else None


def _nvml(name: str) -> float | None:
    nvml = _started_nvml()
    if nvml is None:
        return None
    try:
        by_index = nvml.nvmlDeviceGetHandleByIndex
        is_index = name.isdecimal()
        handle = by_index(int(name)) if is_index else nvml.nvmlDeviceGetHandleByUUID(name)
        return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3
    except nvml.NVMLError:
        return None


@cache
def _started_nvml() -> Any:
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _rocm() -> dict[str, float]:
    """Return the counters of AMD's GPUs by index (J)."""
    if shutil.which("rocm-smi") is None:
        return {}
    command = ["rocm-smi", "--showenergycounter", "--json"]
    found: dict[str, float] = {}
    with suppress(subprocess.SubprocessError, OSError, ValueError, AttributeError, TypeError):
        answer = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=True)
        for card, values in json.loads(answer.stdout).items():
            index = re.fullmatch(r"card(\d+)", card)
            key = next((key for key in values if key.startswith("Accumulated Energy")), None)
            if index is not None and key is not None:
                found[index[1]] = float(values[key]) / 1e6  # micro-joules
    return found


@cache
def packages() -> Packages:
    """Return the counters of this machine, read often enough not to miss an overflow."""
    found = Packages()
    if found.joules() is not None:
        _often(found.joules)
    return found


def _often(read: Callable[[], Any]) -> None:
    def read_on() -> None:
        stop = threading.Event()
        while not stop.wait(_EVERY_S):
            read()

    threading.Thread(target=read_on, daemon=True, name="energy").start()
