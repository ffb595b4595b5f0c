"""What needs a CUDA device: `make test-gpu`. Elsewhere each test is skipped with the reason."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from hpo.launch.devices import Slots, visible_devices
from hpo.launch.options import LocalOptions
from mlpf.data.batch import Batch
from mlpf.data.events import from_arrays
from mlpf.network.gravnet import GravNet
from mlpf.network.model import MLPF
from mlpf.network.transformer import Transformer
from mlpf.training.callbacks import read_history
from mlpf.training.fit import train
from mlpf.training.losses import ParticleFlowLoss

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    # The compiler warns about its own imports and about TF32, which stays off: squared distances
    # are differences of large numbers.
    pytest.mark.filterwarnings("default"),
]
DEVICE = "cuda:0"
N_PACKED = 4


def pu200_batch(n_events=4, n_elements=5000):
    """Events of the size of PU200 ones; their content does not matter for time or precision."""
    rng = np.random.default_rng(1)
    x, y = [], []
    for _ in range(n_events):
        pt, eta = rng.exponential(2, n_elements) + 0.5, rng.uniform(-3, 3, n_elements)
        phi = rng.uniform(-np.pi, np.pi, n_elements)
        kind = np.sort(rng.integers(1, 3, n_elements))[::-1]
        face = np.stack([eta, np.sin(phi), np.cos(phi)], 1)
        energy, rest = pt * np.cosh(eta), np.zeros((n_elements, 3))
        x.append(np.column_stack([kind, pt, face, energy, face, rest]))
        y.append(np.column_stack([kind - 1, kind - 1, pt, face, energy]))
    return Batch.from_events(from_arrays(x, y, y)).to(DEVICE)


def defaults():
    """The network with its default hyperparameters: O = 256, 3 + 3 layers, bin 160."""
    torch.manual_seed(1)
    return MLPF(bin_size=160).to(DEVICE)


def loss_of(network, batch, precision=torch.float32):
    with torch.autocast("cuda", precision, enabled=precision != torch.float32):
        return ParticleFlowLoss()(network(batch), batch)["loss"]


def test_a_training_in_bf16_learns_as_in_32_bit(compose_tiny, tmp_path):
    full = train(compose_tiny("trainer=gpu"), tmp_path / "32")
    mixed = train(compose_tiny("trainer=gpu", "trainer.precision=bf16-mixed"), tmp_path / "16")
    assert mixed == pytest.approx(full, rel=0.1)
    first = read_history(tmp_path / "16" / "metrics.csv")[0]
    assert mixed < first["val_loss"]


def test_bf16_keeps_the_loss_and_gives_finite_gradients():
    network, batch = defaults(), pu200_batch()
    mixed = loss_of(network, batch, torch.bfloat16)
    mixed.backward()
    assert float(mixed) == pytest.approx(float(loss_of(network, batch)), rel=0.02)
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize("kind", [MLPF, GravNet, Transformer])
def test_a_network_gives_the_same_on_the_gpu(kind):
    torch.manual_seed(1)
    network, batch = kind(output_dim=64).eval(), pu200_batch(2, 1000)
    with torch.no_grad():
        here, there = network(batch.to("cpu")).logits, network.to(DEVICE)(batch).logits.cpu()
    # A few elements may change bins or neighbors, where rounding decides.
    assert (here - there).abs().median() < 1e-4


def test_the_compiled_network_gives_the_same_loss():
    network, batch = defaults(), pu200_batch()
    plain = float(loss_of(network, batch))
    assert float(loss_of(torch.compile(network), batch)) == pytest.approx(plain, rel=1e-4)


def test_four_trials_train_at_once_on_one_gpu(tiny, tmp_path):
    def start(seed):
        own = [f"seed={seed}", f"hydra.run.dir={tmp_path / str(seed)}"]
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "mlpf.train",
                *tiny,
                "trainer=gpu",
                "trainer.max_epochs=20",
                *own,
            ],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )

    trials = [start(seed) for seed in range(N_PACKED)]
    assert [trial.wait(timeout=280) for trial in trials] == [0] * N_PACKED
    for seed in range(N_PACKED):
        history = read_history(tmp_path / str(seed) / "metrics.csv")
        assert [row["epoch"] for row in history] == list(range(1, 21))
        assert history[-1]["val_loss"] < history[0]["val_loss"]


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=["32", "bf16"])
def test_the_time_of_a_train_step_is_printed(precision, capsys):
    network, batch = defaults(), pu200_batch()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)

    def step():
        optimizer.zero_grad()
        loss_of(network, batch, precision).backward()
        optimizer.step()

    for _ in range(3):
        step()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    for _ in range(10):
        step()
    torch.cuda.synchronize()
    milliseconds = 100 * (time.perf_counter() - start)
    memory = torch.cuda.max_memory_allocated() / 2**30
    with capsys.disabled():
        print(
            f"\n{torch.cuda.get_device_name()}: {milliseconds:.1f} ms per train step of 4 events "
            f"of 5000 elements, {precision}, {memory:.1f} GiB"
        )
    assert torch.cuda.max_memory_allocated() > 0


def test_a_local_worker_sees_one_of_the_gpus_and_no_other():
    devices = visible_devices(os.environ)
    assert len(devices.names) == torch.cuda.device_count()
    worker = os.environ | Slots.of_machine(LocalOptions(), devices).environment(0)
    code = "import torch; print(torch.cuda.device_count(), torch.zeros(1, device='cuda').device)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=worker, capture_output=True, text=True, check=True)
    assert done.stdout == "1 cuda:0\n"
