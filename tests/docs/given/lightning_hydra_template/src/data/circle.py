"""Random points of the plane, and whether each lies in a circle."""

import pytorch_lightning as L
import torch
from torch.utils.data import DataLoader, TensorDataset


class Points(L.LightningDataModule):
    def __init__(self, batch_size) -> None:
        super().__init__()
        self.batch_size = batch_size

    def _points(self, n, seed):
        x = 2 * torch.rand(n, 2, generator=torch.Generator().manual_seed(seed)) - 1
        return TensorDataset(x, (x.square().sum(1) < 0.6).long())

    def train_dataloader(self):
        return DataLoader(self._points(512, 1), self.batch_size)

    def val_dataloader(self):
        return DataLoader(self._points(256, 2), self.batch_size)
