"""One of two ranks that train together; prints the epoch after which it stopped."""

import sys

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from hpo.current import set_current_trial
from hpo.lightning import ReportTrial


class Line(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch, _):
        return self.layer(batch[0]).square().mean()

    def validation_step(self, batch, _):
        self.log("val_loss", self.layer(batch[0]).square().mean(), sync_dist=True)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


class StopsAtTwo:
    def should_stop(self, value, step, *, final, figures):
        return step >= 2


def run(rank):
    if rank == "0":  # rank 0 alone knows the trial
        set_current_trial(StopsAtTwo())
    data = DataLoader(TensorDataset(torch.ones(4, 1)), batch_size=2)
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        num_nodes=2,
        strategy="ddp",
        max_epochs=5,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[ReportTrial()],
    )
    trainer.fit(Line(), data, data)
    sys.stdout.write(f"stopped after {trainer.current_epoch}\n")


if __name__ == "__main__":
    run(sys.argv[1])
