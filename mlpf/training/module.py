"""The training task: network, loss, optimizer and schedule as a LightningModule.

The values of an epoch are exact: float64 sums over elements, added over the ranks, divided once.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from mlpf.config import DivergedError
from mlpf.data.batch import Batch
from mlpf.data.loader import BatchSampler
from mlpf.network.decoding import Prediction
from mlpf.schema import N_CLASSES, N_X, N_Y
from mlpf.training.metrics import ClassMetrics, quality
from mlpf.training.physics import WEIGHTED, ValidationPhysics

_SETTINGS = ("initial_lr", "weight_decay", "momentum")  # of an optimizer, if it has them

OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]
SchedulerFactory = Callable[[Optimizer, int], LRScheduler]


class ElementSums:
    """Sums of quantities given as means per element, over any number of batches."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._sums: Tensor | None = None

    def add(self, means: Mapping[str, Tensor], n_elements: int) -> None:
        """Add a batch of `n_elements`; every batch must have the same names."""
        names = sorted(means)
        row = torch.stack([means[name].detach().double() for name in names]) * n_elements
        row = torch.cat([row, row.new_tensor([n_elements])])
        self._names, self._sums = names, row if self._sums is None else self._sums + row

    def not_finite(self, add_ranks: Callable[[Tensor], Tensor]) -> list[str]:
        """Return the names of the sums, over all ranks, that are NaN or infinite by now."""
        if self._sums is None:
            return []
        sums = add_ranks(self._sums.clone()).tolist()
        named = zip(self._names, sums[:-1], strict=True)
        return [name for name, value in named if not math.isfinite(value)]

    def means(self, add_ranks: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Return the means per element of all batches, summed by `add_ranks`; reset the sums."""
        if self._sums is None:
            return {}
        *sums, n_elements = add_ranks(self._sums).tolist()
        self._sums = None
        return {k: v / max(n_elements, 1.0) for k, v in zip(self._names, sums, strict=True)}


class TrainingModule(pl.LightningModule):
    """Trains a network on batches of events and logs its metrics once per epoch.

    Args:
        network: `Batch` -> prediction.
        loss: (prediction, batch) -> the means per element of `loss` and its parts.
        optimizer: parameters -> optimizer.
        scheduler: (optimizer, number of optimizer steps) -> schedule, advanced at each step.
        seed: together with epoch and rank it determines all random numbers of an epoch.
        physics: figures of the validation events; None for none.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        optimizer: OptimizerFactory,
        scheduler: SchedulerFactory,
        seed: int,
        physics: ValidationPhysics | None = None,
    ) -> None:
        super().__init__()
        self.physics = physics or ValidationPhysics([], max_events=0)
        self.network = network
        self.loss = loss
        self._optimizer = optimizer
        self._scheduler = scheduler
        self._seed = seed
        self._settings: list[dict[str, float]] = []
        self.class_metrics = ClassMetrics()
        self._sums = {"train": ElementSums(), "val": ElementSums()}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the optimizer and its schedule, advanced at each optimizer step."""
        total_steps = int(self.trainer.estimated_stepping_batches)
        optimizer, schedule = self.make_optimizer(total_steps)
        self._settings = [
            {name: group[name] for name in _SETTINGS if name in group}
            for group in optimizer.param_groups
        ]
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def make_optimizer(self, total_steps: int) -> tuple[Optimizer, LRScheduler]:
        """Return a fresh optimizer of the network and its schedule over `total_steps` steps."""
        optimizer = self._optimizer(self.network.parameters())
        return optimizer, self._scheduler(optimizer, total_steps)

    def on_train_start(self) -> None:
        """Give a restored optimizer the configured settings, where they have changed.

        Its state, such as the moments of Adam, and the place in the schedule are kept.
        """
        (optimizer,), (schedule,) = self.trainer.optimizers, self.trainer.lr_scheduler_configs
        for group, settings in zip(optimizer.param_groups, self._settings, strict=True):
            before, now = group["initial_lr"], settings["initial_lr"]
            if before != now:
                group["lr"] = group["lr"] / before * now if before else now
            group.update(settings)
        schedule.scheduler.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]

    def on_train_epoch_start(self) -> None:
        """Seed by (seed, epoch, rank): a repeated epoch draws the same random numbers."""
        state = np.random.SeedSequence((self._seed, self.current_epoch, self.global_rank))
        number = int(state.generate_state(1)[0])
        random.seed(number)
        np.random.seed(number)  # noqa: NPY002 - libraries draw from the global state
        torch.manual_seed(number)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        losses: dict[str, Tensor] = self.loss(self.network(batch), batch)
        self._sums["train"].add(losses, len(batch.x))
        self.log("train_loss_step", losses["loss"], prog_bar=True, batch_size=len(batch.x))
        return losses["loss"] * self._share(batch_idx)

    def _share(self, batch_idx: int) -> float:
        """Return how much more or less than the mean batch of its optimizer step this one counts.

        Ranks and accumulated batches have different numbers of elements. Lightning takes the mean
        over both; with these factors it is the mean over all elements, as in one large batch.
        """
        trainer = self.trainer
        sampler: BatchSampler = trainer.train_dataloader.sampler  # type: ignore[union-attr]
        n_accumulated, n_steps = trainer.accumulate_grad_batches, int(trainer.num_training_batches)
        return sampler.share(batch_idx, n_accumulated=n_accumulated, n_steps=n_steps)

    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:
        """Look for a loss that is not finite, only every `log_every_n_steps`: it takes time.

        Raises:
            DivergedError: there was one; the message names epoch, step and parts.
        """
        every, step = int(self.trainer.log_every_n_steps), batch_idx + 1  # type: ignore[attr-defined]
        if every and step % every == 0:
            diverged = self._sums["train"].not_finite(self._add_ranks)
            if diverged:
                where = f"epoch {self.current_epoch + 1}, step {step}"
                names = ", ".join(f"train_{name}" for name in diverged)
                raise DivergedError(f"diverged in {where}: {names}")

    def metric_names(self) -> list[str]:
        """Return the names of the values that are logged once per epoch."""
        labels = torch.zeros(0, N_Y)
        nothing = Batch(torch.zeros(0, N_X), labels, labels, torch.zeros(1, dtype=torch.int64))
        prediction = Prediction(torch.zeros(0, N_CLASSES), torch.zeros(0, 3), torch.zeros(0, 4))
        losses = [
            f"{stage}_{name}" for stage in self._sums for name in self.loss(prediction, nothing)
        ]
        names = [*quality(self.class_metrics.confusion), *self.physics.names]
        summed = [f"val_{WEIGHTED}"] if self.physics.weights else []
        return [*losses, *(f"val_{name}" for name in names), *summed, "lr"]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add a batch to the values of the epoch."""
        prediction: Prediction = self.network(batch)
        self._sums["val"].add(self.loss(prediction, batch), len(batch.x))
        self.class_metrics.update(prediction.pid, batch)
        self.physics.add(batch, prediction, self._numbers[batch_idx])

    def on_validation_epoch_start(self) -> None:
        """Note which validation events each batch of this rank holds."""
        loader = self.trainer.val_dataloaders
        self._numbers = list(loader.sampler)  # type: ignore[union-attr]

    def on_validation_epoch_end(self) -> None:
        """Log the values of the epoch; every rank takes part.

        Raises:
            DivergedError: a loss is NaN or infinite; the message names epoch and parts.
        """
        losses = {
            f"{stage}_{name}": value
            for stage, sums in self._sums.items()
            for name, value in sums.means(self._add_ranks).items()
        }
        diverged = [name for name, value in losses.items() if not math.isfinite(value)]
        if diverged:
            epoch = self.current_epoch + 1
            raise DivergedError(f"diverged in epoch {epoch}: {', '.join(diverged)}")
        metrics = {k: torch.tensor(v, dtype=torch.float64) for k, v in losses.items()}
        figures = {
            k: torch.tensor(v, dtype=torch.float64) for k, v in self.physics.compute().items()
        }
        metrics |= {f"val_{k}": v for k, v in figures.items()}
        metrics |= {f"val_{k}": v for k, v in self.class_metrics.compute().items()}
        if self.physics.weights:
            parts = [w * metrics[f"val_{k}"] for k, w in self.physics.weights.items()]
            metrics[f"val_{WEIGHTED}"] = torch.stack([part.double() for part in parts]).sum()
        lr = self.trainer.optimizers[0].param_groups[0]["lr"]
        metrics["lr"] = torch.tensor(lr, dtype=torch.float64)
        self.class_metrics.reset()
        for name, metric in metrics.items():
            self.log(name, metric, prog_bar=name == "val_loss", batch_size=1)

    def _add_ranks(self, sums: Tensor) -> Tensor:
        added = self.trainer.strategy.reduce(sums, reduce_op="sum")
        assert isinstance(added, Tensor)
        return added
