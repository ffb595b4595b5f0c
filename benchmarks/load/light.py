"""Hundreds of workers on one machine for `benchmarks.load.scale`: `hpo.optimize`, forked.

They share the memory of the process that they are forked from, so that 512 need a few GB, and they
have neither Hydra nor a sampler that learns: what is measured is the storage with tickets, leases,
reports and decisions. A window of their work counts, from when all have begun.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import optuna

import hpo
from benchmarks.load import probe
from benchmarks.load.latency import slow_down
from benchmarks.load.servers import served
from benchmarks.load.sweep import Run, Size
from commons.processes import kill, signal_when_parent_dies
from hpo.study.trial import LeasedTrial

_READY_S = 180.0
_TRIALS_PER_WORKER = 50  # more than one finishes in a window
_fork = multiprocessing.get_context("fork")


def run(kind: str, folder: Path, size: Size, window_s: float, delay_s: float) -> Run:
    """Measure a window of the work.

    Args:
        kind: of storage, see `benchmarks.load.servers`.
        folder: of the study.
        size: how much work.
        window_s: length of the window.
        delay_s: see `benchmarks.load.latency`.

    Raises:
        RuntimeError: the workers do not begin.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    begin = _fork.Value("d", float("inf"), lock=False)
    with served(kind, folder / "storage") as server:

        def work(number: int) -> None:
            signal_when_parent_dies(signal.SIGKILL)
            os.setpgrp()
            if delay_s:
                slow_down(Path(server.spec), delay_s, lambda: begin.value - size.epoch_s)
            probe.start(folder / "probes" / str(number), lambda: begin.value)
            _optimize(server.spec, folder, size, number)

        started = time.monotonic()
        numbers = range(size.n_workers)
        workers = [_fork.Process(target=work, args=(i,), daemon=True) for i in numbers]
        try:
            for worker in workers:
                worker.start()
            _wait_until_all_train(folder / "probes", size.n_workers)
            ready_s = time.monotonic() - started
            begin.value = time.monotonic() + size.epoch_s
            end_s = begin.value + window_s
            with server.watched() as waits:
                time.sleep(end_s - time.monotonic())
                times = probe.read((folder / "probes").iterdir(), begin.value, end_s)
            alive = sum(worker.is_alive() for worker in workers)
            memory_mb = _memory_mb([worker.pid for worker in workers if worker.pid])
        finally:
            kill({worker.pid for worker in workers if worker.pid}, signal.SIGKILL)
            for worker in workers:
                worker.join()
    if alive < size.n_workers:
        raise RuntimeError(f"{size.n_workers - alive} of {size.n_workers} workers have ended")
    more = {
        "window_s": window_s,
        "servers_waiting_s": round(waits(), 1),
        "all_ready_after_s": round(ready_s, 1),
        "memory_mb": round(memory_mb),
    }
    return Run(times, more)


def _optimize(spec: str, folder: Path, size: Size, number: int) -> None:
    draw = random.Random(number)
    time.sleep(draw.uniform(0, size.epoch_s))
    hpo.optimize(
        _objective(size, draw),
        study_name="scale",
        storage=spec,
        n_trials=_TRIALS_PER_WORKER * size.n_workers,
        sampler=optuna.samplers.RandomSampler(seed=number),
        pruner=hpo.AshaPruner(min_resource=1, reduction_factor=3),
        folder=folder,
    )


def _objective(size: Size, draw: random.Random) -> Callable[[LeasedTrial], float]:
    def objective(trial: LeasedTrial) -> float:
        trial.folder()  # as a worker of a sweep does
        values = [trial.suggest_float(name, -1, 1) for name in ("x", "lr", "width", "dropout")]
        epoch_s = size.epoch_s * draw.uniform(0.75, 1.25)
        loss = values[0] ** 2
        try:
            for epoch in range(1, size.epochs + 1):
                probe.enter("training")
                time.sleep(epoch_s)
                probe.enter("reporting")
                if trial.should_stop(loss + 1 / epoch, epoch):
                    raise optuna.TrialPruned
            return loss
        finally:
            probe.enter("between")

    return objective


def _wait_until_all_train(folder: Path, n_workers: int) -> None:
    begun: set[Path] = set()
    deadline = time.monotonic() + _READY_S
    while len(begun) < n_workers:
        if time.monotonic() > deadline:
            text = f"{len(begun)} of {n_workers} workers have begun within {_READY_S:.0f} s"
            raise RuntimeError(text)
        time.sleep(0.5)
        files = folder.iterdir() if folder.is_dir() else ()
        begun |= {file for file in files if probe.read([file]).doing not in (None, "between")}


def _memory_mb(pids: list[int]) -> float:
    """Return the memory of processes, shared pages divided among them."""
    lines = [
        line
        for pid in pids
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        if line.startswith("Pss:")
    ]
    return sum(int(line.split()[1]) for line in lines) / 1024
