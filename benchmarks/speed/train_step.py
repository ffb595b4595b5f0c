"""Process CPU time of one train step on PU200 events (`make bench`).

    python -m benchmarks.speed.train_step [events=FILE] [out=FILE] [bin_size=160] [n_repeats=3]

Protocol: one thread, float32 unless stated, forward, loss, backward and Adam; the smallest of
three times after one step to warm up. CPU time, not wall time: other jobs may run on the machine.
Batches of four events of one file: `typical`, the first four; `spread`, those at 0, 1/3, 2/3 and 1
of the sorted sizes. `inference` is the forward pass of the first event alone, without gradients.
"""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchmarks.record import write_result
from commons.cli import Failure, UsageError, run_command
from mlpf.data.batch import Batch
from mlpf.data.events import Events
from mlpf.data.files import read_events
from mlpf.delphes.published import read_published
from mlpf.network.model import MLPF
from mlpf.training.losses import ParticleFlowLoss

NETWORK: Final = (
    "mlpf.data.batch",
    "mlpf.network.bins",
    "mlpf.network.cells",
    "mlpf.network.encoding",
    "mlpf.network.gnn_lsh",
    "mlpf.network.heads",
    "mlpf.network.model",
    "mlpf.network.neighbors",
    "mlpf.network.precision",
    "mlpf.network.resolution",
)
_DEPENDS: Final = (
    "benchmarks.speed.train_step",
    "mlpf.training.losses",
    *NETWORK,
)


@dataclass
class Settings:
    """What the command line may set.

    Args:
        events: Parquet file of `mlpf.generate` or `mlpf.convert`, or a published `.pkl.bz2`; at
            least four events.
        out: the JSON file to write.
        bin_size: S of the network; the rest is the default of `mlpf.network.model.MLPF`.
        n_repeats: measured steps, at least 1.
    """

    events: Path = Path("../shared/data/delphes/tev14_pythia8_ttbar_pu200_0.pkl.bz2")
    out: Path = Path("benchmarks/results/train_step.json")
    bin_size: int = 160
    n_repeats: int = 3


def least_cpu_ms(step: Callable[[], object], n_repeats: int) -> float:
    """Return the least process CPU time, in ms, of `n_repeats` calls after one that is dropped."""
    times = []
    for _ in range(n_repeats + 1):
        start = time.process_time()
        step()
        times.append(1e3 * (time.process_time() - start))
    return min(times[1:])


def train_step(batch: Batch, bin_size: int, autocast: bool) -> Callable[[], None]:
    """Return a function that does one train step on `batch` with a new network."""
    torch.manual_seed(0)
    model, loss = MLPF(bin_size=bin_size), ParticleFlowLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            total = loss(model(batch), batch)["loss"]
        total.backward()
        optimizer.step()

    return step


def inference(batch: Batch, bin_size: int) -> Callable[[], object]:
    """Return a function that runs a new network on `batch`."""
    torch.manual_seed(0)
    model = MLPF(bin_size=bin_size).eval()
    return torch.no_grad()(lambda: model(batch))


def batches(events: Events) -> dict[str, Batch]:
    """Return the batches of the protocol by name."""
    by_size = np.argsort(events.sizes, kind="stable")
    spread = by_size[np.linspace(0, len(events) - 1, 4).round().astype(int)]
    chosen = {"typical": [0, 1, 2, 3], "spread": spread, "single": [0]}
    return {name: Batch.from_events(events.take(which)) for name, which in chosen.items()}


def measure(events: Events, settings: Settings) -> dict[str, Any]:
    """Return all figures of the protocol with what they were measured on."""
    results = []
    for name, batch in batches(events).items():
        steps: dict[str, Callable[[], object]] = {
            "train float32": train_step(batch, settings.bin_size, autocast=False),
            "train bfloat16": train_step(batch, settings.bin_size, autocast=True),
            "inference float32": inference(batch, settings.bin_size),
        }
        for mode, step in steps.items():
            cpu_ms = round(least_cpu_ms(step, settings.n_repeats), 1)
            sizes = batch.offsets.diff().tolist()
            results.append({"batch": name, "elements": sizes, "mode": mode, "cpu_ms": cpu_ms})
            print(f"{name:8} {mode:18} {cpu_ms:8.1f} ms")
    return {
        "results": results,
        "bin_size": settings.bin_size,
        "n_parameters": sum(p.numel() for p in MLPF().parameters()),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "machine": machine(),
    }


def machine() -> dict[str, str]:
    """Return what the figures depend on, without the machine's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    cpu = {key.strip(): value.strip() for key, value in fields.items()}
    return {
        "cpu": f"{cpu['model name']}, family {cpu['cpu family']}, model {cpu['model']}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": str(torch.get_num_threads()),
        "date": datetime.now(UTC).date().isoformat(),
    }


def main(arguments: list[str]) -> int:
    """Measure and write the JSON file."""
    return run_command(_measure, Settings, arguments, __doc__)


def read_any(path: Path) -> Events:
    """Return the events of a Parquet or a published file.

    Raises:
        UsageError: there is no such file.
    """
    if not path.is_file():
        raise UsageError(f"events={path}: no such file; take any PU200 events of mlpf.generate")
    is_published = path.name.endswith(".pkl.bz2")
    return (read_published if is_published else read_events)(path)


def _measure(settings: Settings) -> int:
    events = read_any(settings.events)
    if len(events) < 4:
        raise Failure(f"events={settings.events}: {len(events)} events, need at least 4")
    torch.set_num_threads(1)
    report = {"events": settings.events.name} | measure(events, settings)
    command = "python -m benchmarks.speed.train_step"
    write_result(settings.out, report, command=command, depends=_DEPENDS)
    print(f"written to {settings.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
