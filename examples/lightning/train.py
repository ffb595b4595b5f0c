"""A PyTorch Lightning training under Hydra. The search needs one callback: hpo.ReportTrial.

python train.py               one training with the values of train.yaml
python train.py -m            a search over them
"""

from pathlib import Path

import hydra
import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader, TensorDataset

import hpo


class Sine(pl.LightningModule):
    """Fits y = sin(3 x) with two layers."""

    def __init__(self, width: int, lr: float) -> None:
        super().__init__()
        self.lr = lr
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(1, width), torch.nn.Tanh(), torch.nn.Linear(width, 1)
        )

    def loss(self, batch: list[torch.Tensor]) -> torch.Tensor:
        """Return the mean squared error of a batch."""
        (x,) = batch
        return (self.layers(x) - torch.sin(3 * x)).square().mean()

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        """Return the loss of a batch."""
        return self.loss(batch)

    def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
        """Log what the search minimizes."""
        self.log("val_loss", self.loss(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam with the searched learning rate."""
        return torch.optim.Adam(self.parameters(), self.lr)


def loader(n: int, seed: int) -> DataLoader[tuple[torch.Tensor, ...]]:
    """Return `n` random points in batches."""
    x = 2 * torch.rand(n, 1, generator=torch.Generator().manual_seed(seed)) - 1
    return DataLoader(TensorDataset(x), batch_size=32)


@hydra.main(config_path=".", config_name="train", version_base="1.3")
def main(cfg: DictConfig) -> float:
    """Train; return the last validation loss."""
    pl.seed_everything(cfg.seed, verbose=False)
    folder = Path(HydraConfig.get().runtime.output_dir)
    trainer = pl.Trainer(
        max_epochs=cfg.epochs,
        callbacks=[ModelCheckpoint(folder, filename="last"), hpo.ReportTrial("val_loss")],
        accelerator="cpu",
        logger=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    last = folder / "last.ckpt"  # there if this trial was interrupted or paused
    start = last if last.exists() else None
    trainer.fit(Sine(cfg.width, cfg.lr), loader(256, 1), loader(64, 2), ckpt_path=start)
    return float(trainer.callback_metrics["val_loss"])


if __name__ == "__main__":
    main()
