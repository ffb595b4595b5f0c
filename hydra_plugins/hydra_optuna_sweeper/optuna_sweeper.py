"""What a configuration made for hydra-optuna-sweeper names as `_target_` of its sweeper."""

from hydra_plugins.hpo_sweeper import OptunaAsyncSweeper


class OptunaSweeper(OptunaAsyncSweeper):
    """The sweeper of `hydra/sweeper: optuna_async`."""
