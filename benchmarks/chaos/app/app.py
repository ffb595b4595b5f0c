"""An application without a network: epochs of sleep, two checkpoints and a witness file."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import hydra
import optuna
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

import hpo
from benchmarks.chaos import clock  # a worker imports it before anything else


def hang() -> None:
    """Heed nothing."""
    while True:
        try:
            time.sleep(600)
        except BaseException:  # noqa: BLE001 - as badly written as it can be
            continue


def note(witness: Path, kind: str, epoch: int) -> None:
    """Append a line to the file of this trial: what happened, in which process, when."""
    line = {"kind": kind, "epoch": epoch, "pid": os.getpid(), "time": clock.now()}
    descriptor = os.open(witness, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")  # at once, or not at all
    finally:
        os.close(descriptor)


def epochs_done(folder: Path) -> int:
    """Return what the last checkpoint says, or the previous one if that is damaged."""
    for name in ("last.ckpt", "previous.ckpt"):
        try:
            return int(json.loads((folder / name).read_text())["epochs"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return 0


def save(folder: Path, epochs: int) -> None:
    """Write the last checkpoint and keep the one before, so that one is whole at any moment."""
    last, partial = folder / "last.ckpt", folder / "partial.ckpt"
    partial.write_text(json.dumps({"epochs": epochs}))
    if last.exists():
        last.replace(folder / "previous.ckpt")
    partial.replace(last)


def train(cfg: DictConfig) -> float:
    """Run the epochs that are left; return the objective."""
    folder, trial = Path(HydraConfig.get().runtime.output_dir), hpo.current_trial()
    witness = Path(cfg.witness) / f"{trial.number if trial else 0:04d}"
    first = epochs_done(folder)
    note(witness, "start", first)
    ballast = folder / "ballast"
    if cfg.ballast_mb and not ballast.exists():
        ballast.write_bytes(bytes(cfg.ballast_mb << 20))
    for epoch in range(first + 1, cfg.epochs + 1):
        time.sleep(cfg.epoch_s)
        if epoch == 3 and trial and trial.number in cfg.hangs:
            hang()
        with (folder / "history").open("a") as stream:
            stream.write(f"{epoch}".ljust(8191) + "\n")  # as long as to fill a small disk
        note(witness, "epoch", epoch)
        try:
            hpo.report_value(cfg.x**2 + 1 / epoch, epoch)  # before the checkpoint, as mlpf does
        except optuna.TrialPruned:
            save(folder, epoch)  # it may be a pause
            note(witness, "end", epoch)
            raise
        save(folder, epoch)
    note(witness, "end", cfg.epochs)
    return float(cfg.x**2 + 1 / cfg.epochs)


@hydra.main(config_path=str(Path(__file__).parent), config_name="chaos", version_base="1.3")
def main(cfg: DictConfig) -> float:
    """Train; Hydra reads the command line."""
    return train(cfg)


if __name__ == "__main__":
    main()
