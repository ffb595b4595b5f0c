"""The application of a sweep, as Hydra runs it for one trial."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import optuna
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict, read_write

from hpo.current import CurrentTrial, set_current_trial
from hpo.hydra_internals import compose_job, run, without_callbacks
from hpo.launch.script import Script
from hpo.storage.passwords import hide_in
from hpo.study.lease import LeaseLostError
from hpo.study.life import ENDS
from hpo.worker.surroundings import surroundings
from hpo.worker.template import Template

# They end a trial that has not failed.
_NO_FAILURE = (optuna.TrialPruned, LeaseLostError)


@dataclass(frozen=True)
class Application:
    """A task function and what Hydra needs to run it.

    Attributes:
        context: Hydra's, to compose the configurations of trials.
        config: the sweep's own configuration.
        function: the application.
        sweep_dir: absolute; holds the folders of the trials.
        launch_id: names the workers of one launch.
        seed: that of the study; with the number of a trial it seeds the trial.
        script: the `__main__` of the command.
        template: makes the configurations of trials; None: Hydra composes each.
    """

    context: HydraContext
    config: DictConfig
    function: TaskFunction
    sweep_dir: Path
    launch_id: str
    seed: str
    script: Script
    template: Template | None = None

    def compose(self, overrides: list[str], trial_number: int) -> DictConfig:
        """Return the configuration of a trial."""
        config = None if self.template is None else self.template.filled(overrides)
        if config is None:
            config = compose_job(self.context.config_loader, self.config, overrides)
            hide_in(config)
        with open_dict(config.hydra):
            config.hydra.job.num = trial_number
            config.hydra.job.id = f"{self.launch_id}/{trial_number}"
            config.hydra.sweep.dir = str(self.sweep_dir)
            config.hydra.sweep.subdir = f"trials/{trial_number:04d}"
        with read_write(config.hydra.runtime):
            config.hydra.runtime.cwd = self._cwd  # not that of the worker
        return config

    def run(
        self,
        function: TaskFunction,
        config: DictConfig,
        trial: CurrentTrial,
        *,
        leads: bool = True,
    ) -> Any:
        """Run `function` in the folder of a trial; return what it returns, raise what it raises.

        It finds what a plain run finds: the working directory and the environment of the command,
        whatever another trial of this process has changed, and the callbacks of Hydra.

        Args:
            function: the application, perhaps wrapped.
            config: as `compose` makes it.
            trial: what `hpo.current_trial` returns meanwhile.
            leads: whether to log into the folder and to call the callbacks; False: another rank
                of the trial does.
        """
        ends: list[BaseException] = []

        @wraps(self.function)  # for callbacks that look at it
        def task(config: DictConfig) -> Any:
            set_current_trial(trial)
            try:
                return function(config)
            except ENDS as error:
                ends.append(error)
                if isinstance(error, _NO_FAILURE):
                    return None
                if isinstance(error, Exception):
                    raise  # a failed job, for the callbacks
                raise RuntimeError(f"{type(error).__name__}: {error}") from error
            finally:
                set_current_trial(None)

        context = self.context if leads else without_callbacks(self.context)
        with surroundings(self._cwd, f"{self.seed}/{trial.number}"):
            result = run(context, config, task, log=leads)
        if ends:
            raise ends.pop()
        return result.return_value

    @property
    def _cwd(self) -> str:
        return str(self.config.hydra.runtime.cwd)
