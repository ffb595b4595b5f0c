"""Process CPU time of reconstructing one event, in PyTorch and as an ONNX file.

    python -m benchmarks.speed.inference [events=FILE] [out=FILE] [bin_size=160] [n_repeats=7]

From x to particles, decoding included, with one thread. The network has the default sizes of
`mlpf.MLPF` and random weights. PyTorch and onnxruntime take turns, so a change of the machine's
speed meets both; the ratio is the median over the turns. `scan` is PyTorch on 1280 ... 12,800
elements of several events joined to one, and the exponent a of time ~ elements^a, fitted.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.record import write_result
from benchmarks.speed.train_step import NETWORK, machine, read_any
from commons.cli import Failure, run_command
from mlpf.network.model import MLPF
from mlpf.reconstruction.exporting import traced, write_onnx
from mlpf.reconstruction.models import open_onnx
from mlpf.reconstruction.one_event import OneEvent

_DEPENDS = (
    "benchmarks.speed.inference",
    "mlpf.network.decoding",
    "mlpf.reconstruction.exporting",
    "mlpf.reconstruction.models",
    "mlpf.reconstruction.one_event",
    "mlpf.reconstruction.onnx_operators",
    *NETWORK,
)

_SCAN: Final = (1280, 2560, 5120, 7680, 12_800)


@dataclass
class Settings:
    """What the command line may set.

    Args:
        events: Parquet file of `mlpf.generate` or `mlpf.convert`, or a published `.pkl.bz2`; of
            12,800 elements or more.
        out: the JSON file to write.
        bin_size: S of the network; the rest is the default of `mlpf.network.model.MLPF`.
        n_repeats: turns, at least 1, after one that is dropped.
    """

    events: Path = Path("../shared/data/delphes/tev14_pythia8_ttbar_pu200_0.pkl.bz2")
    out: Path = Path("benchmarks/results/inference.json")
    bin_size: int = 160
    n_repeats: int = 7


def cpu_ms(calls: Sequence[Callable[[], object]], n_repeats: int) -> NDArray[np.float64]:
    """Return process CPU times in ms, shape (n_repeats, calls), of calls in turn."""
    times = np.empty((n_repeats + 1, len(calls)))
    for turn in times:
        for i, call in enumerate(calls):
            start = time.process_time()
            call()
            turn[i] = 1e3 * (time.process_time() - start)
    return times[1:]


def measure(first: NDArray[np.float32], many: NDArray[np.float32], settings: Settings) -> Any:
    """Return the figures for the elements of the first event, and of many events joined."""
    torch.manual_seed(0)
    network = OneEvent(MLPF(bin_size=settings.bin_size), 0.7).eval()

    def pytorch(x: NDArray[np.float32]) -> Callable[[], object]:
        return torch.inference_mode()(lambda: network(torch.from_numpy(x)))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        write_onnx(traced(network), path, {})
        run, _ = open_onnx(path)
    turns = cpu_ms([pytorch(first), lambda: run(first)], settings.n_repeats)
    scan = np.median(cpu_ms([pytorch(many[:n]) for n in _SCAN], settings.n_repeats), 0)
    exponent = np.polyfit(np.log(_SCAN), np.log(scan), 1)[0]
    return {
        "elements": len(first),
        "pytorch_cpu_ms": round(float(np.median(turns[:, 0])), 1),
        "onnx_cpu_ms": round(float(np.median(turns[:, 1])), 1),
        "onnx_to_pytorch": round(float(np.median(turns[:, 1] / turns[:, 0])), 3),
        "scan": [
            {"elements": n, "pytorch_cpu_ms": round(float(t), 1)}
            for n, t in zip(_SCAN, scan, strict=True)
        ],
        "exponent": round(float(exponent), 3),
    }


def main(arguments: list[str]) -> int:
    """Measure and write the JSON file."""
    return run_command(_measure, Settings, arguments, __doc__)


def _measure(settings: Settings) -> int:
    events = read_any(settings.events)
    if len(events.x) < _SCAN[-1]:
        raise Failure(f"events={settings.events}: {len(events.x)} elements, need {_SCAN[-1]}")
    torch.set_num_threads(1)
    x = np.ascontiguousarray(events.x, np.float32)
    figures = measure(x[: events.sizes[0]], x, settings)
    for name, value in figures.items():
        print(f"{name}: {value}")
    about = {"events": settings.events.name, "bin_size": settings.bin_size}
    result = about | figures | {"machine": machine()}
    write_result(settings.out, result, command="make bench-inference", depends=_DEPENDS)
    print(f"written to {settings.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
