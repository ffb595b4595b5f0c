"""The GPUs of this machine, found without PyTorch, and their division among its workers."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpo.launch.options import LocalOptions
from hpo.settings import SettingError

_log = logging.getLogger(__name__)
_TIMEOUT_S = 60
# ROCm applies the last one first and the others to what it leaves.
_VARIABLES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
_NAME = re.compile(r"\d+|(GPU|MIG)-[\w./-]+")


@dataclass(frozen=True)
class Devices:
    """GPUs as the variables name them: by index, UUID or MIG instance.

    Attributes:
        names: one per GPU; none: there is no GPU, or none is visible.
        variables: those that choose among them.
    """

    names: tuple[str, ...] = ()
    variables: tuple[str, ...] = _VARIABLES[:1]

    def environment(self, chosen: Sequence[str]) -> dict[str, str]:
        """Return the variables that let a process see these GPUs alone."""
        return dict.fromkeys(self.variables, ",".join(chosen) or "-1")


def visible_devices(environ: Mapping[str, str], root: Path = Path("/")) -> Devices:
    """Return the GPUs that a process with this environment may use."""
    chosen = {name: _named(environ[name]) for name in _VARIABLES if name in environ}
    if not chosen:
        return _nvidia(root) or _amd(root) or Devices()
    # CUDA and HIP number what ROCR leaves: where one of them is set, it is what is divided.
    upper = {name: names for name, names in chosen.items() if name != _VARIABLES[-1]} or chosen
    return Devices(min(upper.values(), key=len), tuple(upper))


def _named(value: str) -> tuple[str, ...]:
    """Return the GPUs of a variable's value; CUDA ignores all from the first that is none."""
    names: list[str] = []
    for word in value.split(","):
        if not _NAME.fullmatch(word.strip()):
            break
        names.append(word.strip())
    return tuple(names)


def _nvidia(root: Path) -> Devices | None:
    """Return NVIDIA's GPUs by UUID, since indices of CUDA may have another order; None: none.

    A GPU that is divided into MIG instances is none by itself.
    """
    names: list[str] = []
    for line in _output("nvidia-smi", "-L"):
        found = re.search(r"\b(?:GPU|MIG)-[\w./-]+", line) or re.search(r"(?<=^GPU )\d+", line)
        if found is None:
            continue
        if found[0].startswith("MIG-") and names and not names[-1].startswith("MIG-"):
            names.pop()
        names.append(found[0])
    if not names:
        files = sorted(root.glob("proc/driver/nvidia/gpus/*/information"))
        found_in = (re.search(r"GPU UUID:\s*(GPU-[\w-]+)", file.read_text()) for file in files)
        names = [uuid[1] for uuid in found_in if uuid]
    return Devices(tuple(names)) if names else None


def _amd(root: Path) -> Devices | None:
    """Return AMD's GPUs by index, those whose device file is here; None: none."""
    n_gpus = 0
    for file in root.glob("sys/class/kfd/kfd/topology/nodes/*/properties"):
        pairs = (line.split(maxsplit=1) for line in file.read_text().splitlines())
        properties = {pair[0]: pair[-1] for pair in pairs if pair}
        render = root / f"dev/dri/renderD{properties.get('drm_render_minor')}"
        n_gpus += properties.get("simd_count", "0") != "0" and render.exists()
    return Devices(tuple(map(str, range(n_gpus))), _VARIABLES[-1:]) if n_gpus else None


def _output(*command: str) -> list[str]:
    if shutil.which(command[0]) is None:
        return []
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S
        ).stdout.splitlines()
    except (subprocess.SubprocessError, OSError) as error:
        _log.warning("%s fails, its GPUs are not used: %s", command[0], error)
        return []


@dataclass(frozen=True)
class Slots:
    """The places of this machine's workers, each with GPUs of its own.

    Attributes:
        devices: all GPUs.
        per_worker: GPUs of each place; 0: the machine has none.
        n: number of places; None: any number of workers share the GPUs.
    """

    devices: Devices
    per_worker: int
    n: int | None

    @classmethod
    def of_machine(cls, options: LocalOptions, devices: Devices) -> Slots:
        """Divide the GPUs as the options say.

        Raises:
            SettingError: a trial needs more than there are, or a setting is out of range.
        """
        n, each, share = len(devices.names), options.gpus_per_trial, options.workers_per_gpu
        if each > max(n, 1):
            rule = "{gpus_per_trial}={}, but this command sees {} on this machine"
            raise SettingError(rule, each, _gpus(n))
        if each == 0 or n == 0:
            return cls(devices, 0, None)
        return cls(devices, each, None if share is None else n // each * share)

    def default(self) -> int | None:
        """Return how many workers there are if nothing else is said; None: one per core."""
        if self.per_worker == 0:
            return None
        return self.n or len(self.devices.names) // self.per_worker

    def check(self, n_workers: int, key: str) -> None:
        """Refuse more workers than there are places; say so if they share GPUs.

        Raises:
            SettingError: names `key`, the setting with the number.
        """
        n, fitting = len(self.devices.names), self.default()
        if fitting is None or n_workers <= fitting:
            return
        if self.n is not None:
            rule = (
                f"{{{key}}}={{}} is too many: {{}} at {{gpus_per_trial}}={{}} have room for {{}}; "
            )
            rule += "raise {workers_per_gpu}, or train without GPUs: {gpus_per_trial}=0"
            raise SettingError(rule, n_workers, _gpus(n), self.per_worker, fitting)
        _log.warning("%d workers share %s", n_workers, _gpus(n))

    def environment(self, slot: int) -> dict[str, str]:
        """Return the variables with which the worker at a place, from 0, sees its GPUs alone."""
        if not self.devices.names:
            return {}
        first = slot % (len(self.devices.names) // max(self.per_worker, 1)) * self.per_worker
        return self.devices.environment(self.devices.names[first : first + self.per_worker])


def _gpus(n: int) -> str:
    return "1 GPU" if n == 1 else f"{n} GPUs"
