"""Workers of several sizes, for trials that grow: an array for each number of GPUs.

A worker leaves when no trial of its size is left for it, and SLURM gives its GPUs to the larger
workers that the command submits for promoted trials.
"""

from __future__ import annotations

import time
from dataclasses import replace

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from hpo.launch.payload import Payload
from hpo.launch.slurm.site import Slurm
from hpo.search.growth import undecided
from hpo.search.pausing import PausingPruner, n_startable
from hpo.search.seeded import build
from hpo.settings import SettingError, typed_key
from hpo.study.lease import was_started
from hpo.study.study import SweepSpec
from hpo.sweep.crew import SlurmCrew
from hpo.worker.template import Template


def grow(spec: SweepSpec, app: Payload, slurm: Slurm | None) -> None:
    """Let the trials of a sweep grow, if the options of its site say so.

    Raises:
        SettingError: its policy does not pause trials, or not at these steps.
    """
    if slurm is None or slurm.options.growth is None:
        return
    policy = build(spec.pruner) if spec.pruner else None
    key = typed_key(app.config, "hydra.launcher", "gpus_per_trial")
    if not isinstance(policy, PausingPruner):
        rule = "{} by steps needs a policy that pauses trials: {pruner_group}={}"
        raise SettingError(rule, key, "promotion")
    if (step := undecided(policy, slurm.options.growth)) is not None:
        rule = "{}: trials can change their GPUs where {pruner} decides, not after step {}"
        raise SettingError(rule, key, step)
    spec.growth = slurm.options.growth


class GrowingCrew:
    """SLURM workers of each size of a `Growth`.

    Those of each size have at most as many GPUs as `n_workers` of the first size.
    """

    def __init__(
        self,
        spec: SweepSpec,
        app: Payload,
        storage: BaseStorage,
        study_id: int,
        slurm: Slurm,
        template: Template | None = None,
    ) -> None:
        assert spec.growth is not None
        self._growth, self._poll_s = spec.growth, slurm.options.poll_s
        self._tickets, self._looked = spec.tickets(storage, None), False
        self._study = optuna.load_study(
            study_name=spec.study_name, storage=storage, pruner=build(spec.pruner)
        )
        self._crews = {
            gpus: SlurmCrew(
                replace(spec, gpus=gpus),
                app,
                storage,
                study_id,
                Slurm(replace(slurm.options, gpus_per_trial=gpus)),
                template,
            )
            for gpus in self._growth.sizes
        }

    def status(self) -> str:
        """Return where the jobs are, as text."""
        return "; ".join(filter(None, (crew.status() for crew in self._crews.values())))

    def work(self, n_workers: int, n_waiting: int) -> list[str] | None:  # noqa: ARG002
        """Submit workers for the trials that those present will not take, and wait a little."""
        n_gpus, n_alive = n_workers * self._growth.after(0), 0
        first, self._looked = not self._looked, True
        unfinished = self._tickets.look()
        waiting = [t for t in unfinished if t.state == TrialState.WAITING and was_started(t)]
        n_new = self._tickets.n_waiting - len(waiting)
        for gpus, crew in self._crews.items():
            own = [t for t in waiting if self._growth.after(t.last_step or 0) == gpus]
            n = n_startable(self._study, own, n_new if gpus == self._growth.after(0) else 0)
            n_alive += crew.keep(max(1, n_gpus // gpus), n, self._n_running(unfinished, gpus))
        if n_alive == 0 and not first:
            return ["no worker is left, whatever its size"]
        time.sleep(self._poll_s)
        return None

    def _n_running(self, unfinished: list[FrozenTrial], gpus: int) -> int:
        running = (trial for trial in unfinished if trial.state == TrialState.RUNNING)
        return sum(self._growth.after(trial.last_step or 0) == gpus for trial in running)

    def leave(self) -> None:
        """Do what an interruption of the command means for the workers of each size."""
        for crew in self._crews.values():
            crew.leave()

    def drain(self) -> bool:
        """Cancel what has not started and wait a little; return whether some still run."""
        return any([crew.drain() for crew in self._crews.values()])  # noqa: C419 - each of them

    def finish(self) -> None:
        """End what is left of them when the study is finished."""
        for crew in self._crews.values():
            crew.finish()
