"""The application of a sweep, as Hydra runs it for one trial."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from hpo.current import CurrentTrial, set_current_trial
from hpo.hydra_internals import run
from hpo.storage.passwords import hide_in, stored_passwords
from hpo.study.life import ENDS


@dataclass(frozen=True)
class Application:
    """A task function and what Hydra needs to run it.

    Attributes:
        context: Hydra's, to compose the configurations of trials.
        config: the sweep's own configuration.
        function: the application.
        sweep_dir: absolute; holds the folders of the trials.
        launch_id: names the workers of one launch.
    """

    context: HydraContext
    config: DictConfig
    function: TaskFunction
    sweep_dir: Path
    launch_id: str

    def compose(self, overrides: list[str], trial_number: int) -> DictConfig:
        """Return the configuration of a trial."""
        config = self.context.config_loader.load_sweep_config(self.config, overrides)
        hide_in(config, stored_passwords())
        with open_dict(config.hydra):
            config.hydra.job.num = trial_number
            config.hydra.job.id = f"{self.launch_id}/{trial_number}"
            config.hydra.sweep.dir = str(self.sweep_dir)
            config.hydra.sweep.subdir = f"trials/{trial_number:04d}"
        return config

    def run(
        self, function: TaskFunction, config: DictConfig, trial: CurrentTrial, *, log: bool = True
    ) -> Any:
        """Run `function` in the folder of a trial; return what it returns, raise what it raises.

        Args:
            function: the application, perhaps wrapped.
            config: as `compose` makes it.
            trial: what `hpo.current_trial` returns meanwhile.
            log: whether to log into the folder.
        """
        errors: list[BaseException] = []

        def task(config: DictConfig) -> Any:
            set_current_trial(trial)
            try:
                return function(config)
            except ENDS as error:  # Hydra would report a pruned trial as a failed job
                errors.append(error)
            finally:
                set_current_trial(None)

        result = run(self.context, config, task, log=log)
        if errors:
            raise errors.pop()
        return result.return_value
