"""A training of several processes (DDP, here gloo on CPUs) as one trial.

python train.py               one training on two processes
python train.py -m            a search: each trial trains on two processes

The process of the worker is rank 0: it reports, learns whether the trial should stop, and tells
the others. Ranks that exist already are used: those of torchrun, or of a SLURM launcher with
several GPUs per trial.
"""

import os
from contextlib import suppress
from typing import Any

import hydra
import optuna
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from omegaconf import DictConfig, OmegaConf
from torch.nn.parallel import DistributedDataParallel

import hpo


def train(settings: dict[str, Any], rank: int | None = None, port: int = 0) -> float:
    """Train as one of the ranks; return the loss after the last epoch.

    Args:
        settings: those of train.yaml.
        rank: None: the variables of torchrun tell it.
        port: where rank 0 of this machine listens.
    """
    if rank is None:
        dist.init_process_group("gloo")
    else:
        store = dist.TCPStore("127.0.0.1", port, settings["ranks"], is_master=False)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=settings["ranks"])
    try:
        torch.manual_seed(settings["seed"])  # the same weights on each rank
        network = DistributedDataParallel(torch.nn.Linear(4, 1))
        optimizer = torch.optim.SGD(network.parameters(), settings["lr"], settings["momentum"])
        own = torch.Generator().manual_seed(dist.get_rank())  # other data on each
        loss = torch.zeros(())
        for epoch in range(1, settings["epochs"] + 1):
            x = torch.randn(64, 4, generator=own)
            loss = (network(x) - x.sum(1, keepdim=True)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            mean = loss.detach().clone()
            dist.all_reduce(mean)
            loss = mean / dist.get_world_size()
            if should_stop(loss.item(), epoch):
                raise optuna.TrialPruned
        return loss.item()
    finally:
        dist.destroy_process_group()


def should_stop(loss: float, epoch: int) -> bool:
    """Report on rank 0; return its answer on all ranks."""
    stop = torch.zeros(1)
    if dist.get_rank() == 0:
        try:
            hpo.report_value(loss, step=epoch)
        except optuna.TrialPruned:
            stop += 1
    dist.broadcast(stop, 0)
    return bool(stop)


def follow(settings: dict[str, Any], rank: int, port: int) -> None:
    """Train as a rank that the worker has started; its end is that of rank 0."""
    with suppress(optuna.TrialPruned):
        train(settings, rank, port)


def train_on_all(settings: dict[str, Any]) -> float:
    """Start ranks 1, 2, ... and train as rank 0."""
    n, spawn = settings["ranks"], mp.get_context("spawn")
    # Port 0: a free one, which nobody can take in between.
    store = dist.TCPStore("127.0.0.1", 0, n, is_master=True, wait_for_workers=False)
    arguments = [(settings, rank, store.port) for rank in range(1, n)]
    ranks = [spawn.Process(target=follow, args=each, daemon=True) for each in arguments]
    try:
        for process in ranks:
            process.start()
        return train(settings, 0, store.port)
    finally:
        for process in ranks:
            process.join(10)
            process.kill()


@hydra.main(config_path=".", config_name="train", version_base="1.3")
def main(cfg: DictConfig) -> float:
    """Train on all ranks; return the last loss."""
    settings: Any = OmegaConf.to_container(cfg)
    return train(settings) if "RANK" in os.environ else train_on_all(settings)


if __name__ == "__main__":
    main()
