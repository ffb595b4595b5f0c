"""Classifies points inside and outside of a circle."""

import pytorch_lightning as L
import torch


class Circle(L.LightningModule):
    def __init__(self, optimizer, net) -> None:
        super().__init__()
        self.make_optimizer = optimizer
        self.best = 0.0
        width = net["lin1_size"]
        self.net = torch.nn.Sequential(
            torch.nn.Linear(2, width), torch.nn.ReLU(), torch.nn.Linear(width, 2)
        )

    def training_step(self, batch, _):
        x, y = batch
        return torch.nn.functional.cross_entropy(self.net(x), y)

    def validation_step(self, batch, _):
        x, y = batch
        self.log("val/acc", (self.net(x).argmax(1) == y).float().mean())

    def on_validation_epoch_end(self):
        accuracy = float(self.trainer.callback_metrics["val/acc"])
        if not self.trainer.sanity_checking:
            self.best = max(self.best, accuracy)
            self.log("val/acc_best", self.best)

    def configure_optimizers(self):
        return self.make_optimizer(params=self.parameters())
