import torch
from torch import nn

from mlpf.data.batch import Batch
from mlpf.training.figures import (
    inference_time_ms,
    n_parameters,
    peak_memory_gb,
    reset_peak_memory,
)


class Counting(nn.Linear):
    calls = 0

    def forward(self, batch):
        assert not self.training
        self.calls += 1
        return super().forward(batch.x)


def batches(n):
    for _ in range(n):
        x = torch.zeros(4, 12)
        yield Batch(x, torch.zeros(4, 7), torch.zeros(4, 7), torch.tensor([0, 2, 4]))


def test_parameters_that_are_trained_are_counted():
    network = nn.Linear(3, 2)
    network.bias.requires_grad = False
    assert n_parameters(network) == 6


def test_the_time_of_an_event_is_measured_on_ten_batches_and_the_network_goes_on_training():
    network = Counting(12, 2).train()
    assert 0 <= inference_time_ms(network, batches(30)) < 1e3
    assert network.calls == 10
    assert network.training


def test_the_peak_of_the_memory_counts_from_the_last_reset():
    reset_peak_memory()
    before = peak_memory_gb()
    torch.ones(25_000_000)
    assert before + 0.05 < peak_memory_gb() < before + 0.5
