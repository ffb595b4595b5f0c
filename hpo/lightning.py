"""Links PyTorch Lightning to the current trial; the only module of hpo that imports Lightning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn

from hpo.current import current_trial, note_data


class ReportTrial(Callback):
    """Reports a logged metric after every validation and stops the training when told to.

    Rank 0 asks the pruner and broadcasts the answer, so that all ranks stop together. The training
    ends as after its last epoch: checkpoints and logs are complete, `Trainer.fit` returns, and
    the trial counts as pruned or paused. Outside a sweep nothing happens.

    If the data module has a method `fingerprint()`, a short text that is another one for other
    data, the trial records it (`hpo.current.note_data`).

    Args:
        monitor: name of a metric that is logged once per validation epoch.
        show: names of metrics that are shown beside the best value of the trial, for people; those
            that are not logged, or not finite, are left out.

    Example:
        >>> import pytorch_lightning as pl
        >>> trainer = pl.Trainer(callbacks=[ReportTrial("val_loss")], logger=False, max_epochs=20)
        >>> trainer.callbacks[0].monitor
        'val_loss'
    """

    def __init__(self, monitor: str = "val_loss", show: Sequence[str] = ()) -> None:
        self.monitor, self.show = monitor, tuple(show)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record what data the trial is trained on, if the data module can tell."""
        del pl_module
        fingerprint = getattr(getattr(trainer, "datamodule", None), "fingerprint", None)
        if trainer.is_global_zero and current_trial() is not None and callable(fingerprint):
            note_data(str(fingerprint()))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report the metric with step = epoch + 1; a step that is already reported is skipped.

        Raises:
            ValueError: the metric is not logged.
        """
        del pl_module
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        if self.monitor not in trainer.callback_metrics:
            logged = ", ".join(trainer.callback_metrics)
            raise ValueError(f"monitor={self.monitor} is not among the logged metrics: {logged}")
        stop = False
        trial = current_trial() if trainer.is_global_zero else None
        if trial is not None:
            metrics = trainer.callback_metrics
            value, figures = float(metrics[self.monitor]), self._figures(metrics)
            epoch, last = trainer.current_epoch + 1, trainer.max_epochs
            stop = trial.should_stop(value, epoch, final=epoch == last, figures=figures)
        if trainer.strategy.broadcast(stop):
            trainer.should_stop = True

    def _figures(self, metrics: Mapping[str, Any]) -> dict[str, float]:
        return {
            name: float(metrics[name])
            for name in self.show
            if name in metrics and name != self.monitor
        }
