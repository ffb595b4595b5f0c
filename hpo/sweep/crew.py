"""The workers of one command: how they are started, watched and ended."""

from __future__ import annotations

import logging
import secrets
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from optuna.storages import BaseStorage

from commons.terminal import one_line
from hpo import signals
from hpo.growth import n_missing
from hpo.hydra_internals import error_of, make_launcher, without_callbacks
from hpo.launch.payload import Payload
from hpo.launch.slurm.setup import failures
from hpo.launch.slurm.site import Slurm
from hpo.launch.slurm.watch import Launches
from hpo.protocols import Stopped
from hpo.search.space import render
from hpo.settings import SubmissionError, SweepFailure, told_by_typed_keys, typed_key
from hpo.study.portions import study_lock
from hpo.study.study import SweepSpec
from hpo.worker.application import Application
from hpo.worker.template import Template
from hpo.worker.worker import Worker

_log = logging.getLogger(__name__)
_GONE_S = 60.0
_SECTION = "hydra.launcher"


class LaunchedCrew:
    """Workers that a Hydra launcher starts and waits for."""

    status = None

    def __init__(self, spec: SweepSpec, app: Payload, template: Template | None = None) -> None:
        self._spec, self._app, self._template = spec, app, template

    def work(self, n_workers: int, n_waiting: int) -> list[str] | None:
        """Run workers until they end."""
        if not n_waiting:  # the workers of another command have the rest
            time.sleep(1)
            return None
        launch_id, jobs, folder = plan(self._spec, min(n_workers, n_waiting))
        function = worker(self._spec, self._app, launch_id, self._template)
        launcher = make_launcher(without_callbacks(self._app.context), self._app.config, function)
        _log.info("%d workers; their output: %s", len(jobs), folder)
        returns = launcher.launch(jobs, initial_job_idx=0)
        errors = [str(error) for error in map(error_of, returns) if error is not None]
        for error in errors:
            _log.warning("a worker failed: %s", one_line(error))
        return errors

    def leave(self) -> None:
        """Do nothing: an interrupted launcher has ended its workers."""

    def drain(self) -> bool:
        """Return False: they have ended."""
        return False

    def finish(self) -> None:
        """Do nothing: they have ended."""


class SlurmCrew:
    """Workers in SLURM job arrays, which outlive this command."""

    def __init__(
        self,
        spec: SweepSpec,
        app: Payload,
        storage: BaseStorage,
        study_id: int,
        slurm: Slurm,
        template: Template | None = None,
    ) -> None:
        self._spec, self._app, self._slurm, self._template = spec, app, slurm, template
        self._launches = Launches(storage, study_id, slurm)
        self._adopted = self._drains = False
        self._told: set[str] = set()  # what the user has been warned of
        self.status: Callable[[], str] = self._launches.describe

    def work(self, n_workers: int, n_waiting: int) -> list[str] | None:
        """Submit the workers that are missing and wait a little."""
        alive = self._adopt() if not self._adopted else self._launches.n_alive()
        first, self._adopted = not self._adopted, True
        self._launches.say_present()
        self._warn()
        missing = min(n_workers - (alive or 0), n_waiting)
        if alive == 0 and not first:
            self._ask_why()
            if n_waiting:
                self._submit(missing)
                return [f"their output is in {self._spec.sweep_dir}/workers"]
        if first and missing > 0:
            if missing < n_workers - (alive or 0):
                _log.info("%d trials wait: no more workers than that are submitted", n_waiting)
            self._submit(missing)
        time.sleep(self._slurm.options.poll_s)
        return None

    def keep(self, n_workers: int, n_startable: int, n_running: int) -> int:
        """Submit workers for trials that those present will not take; return how many there are.

        Args:
            n_workers: how many there may be.
            n_startable: trials that wait for a worker of this kind.
            n_running: trials that such workers have.
        """
        alive = self._launches.n_alive() if self._adopted else self._adopt()
        first, self._adopted = not self._adopted, True
        self._launches.say_present()
        self._warn()
        if alive is None:  # SLURM does not answer
            return n_running + n_startable
        if alive == 0 and not first and self._launches.jobs:
            self._ask_why()
        missing = n_missing(n_workers, alive, n_startable, n_running)
        if missing:
            self._submit(missing)
        return alive + missing

    def _warn(self) -> None:
        """Tell once of each reason for which jobs wait in vain, and of each failed set-up line."""
        for reason, (job, remedy) in self._launches.stuck().items():
            self._tell(reason, f"array {job} waits ({reason}): {remedy.naming(self._key)}")
        for launch_id, job in self._launches.jobs.items():
            for failure in failures(_folder(self._spec, launch_id)):
                text = f"array {job}: {failure.error().naming(self._key)}"
                self._tell(f"{job}:{failure.line}", text)

    def _tell(self, what: str, text: str) -> None:
        if what not in self._told:
            self._told.add(what)
            _log.warning("%s", text)

    def _ask_why(self) -> None:
        """Stop if the arrays have not ended by themselves.

        Raises:
            Stopped: they were canceled.
            SweepFailure: their set-up failed.
        """
        canceled = self._launches.how_canceled()
        if canceled is not None:
            raise Stopped(f"{canceled}: the study stays as it is; the same command continues it")
        for launch_id, job in self._launches.jobs.items():
            folder = _folder(self._spec, launch_id)
            for failure in () if any(folder.glob("*/")) else failures(folder):  # no worker began
                raise SweepFailure(f"array {job}: {failure.error().naming(self._key)}")

    def leave(self) -> None:
        """After an interruption: Ctrl-C cancels the jobs (but see `detach`), others leave them."""
        if signals.received() == signal.SIGINT and not self._slurm.options.detach:
            _log.warning("canceling the jobs")
            self._launches.cancel()
            self._launches.wait_until_gone(_GONE_S)  # they give their trials back
        else:
            self._launches.let_go()
            _log.warning("the jobs continue; the same command shows them again")

    def drain(self) -> bool:
        """Cancel what has not started and wait a little; return whether some still run.

        They give their trials back at the next report, which may take long.
        """
        if not self._launches.jobs or self._launches.n_alive() == 0:
            return False
        if not self._drains:
            self._drains = True
            self._launches.cancel(pending_only=True)
        self._launches.say_present()
        time.sleep(self._slurm.options.poll_s)
        return True

    def finish(self) -> None:
        """Cancel what has not started and let the others end."""
        self._launches.cancel(pending_only=True)
        self._launches.wait_until_gone(_GONE_S)

    def _adopt(self) -> int | None:
        self._launches.observe()
        with study_lock(self._spec.sweep_dir):
            adopted = self._launches.adopt()
        alive = self._launches.n_alive()
        if adopted:
            _log.info("attached to array %s: %s workers", ", ".join(adopted), alive)
        return alive

    def _submit(self, n_workers: int) -> None:
        shape = self._slurm.options.shape
        whole = -(-n_workers // shape.n_workers) * shape.n_workers
        if whole > n_workers:
            _log.info("whole nodes: %d workers instead of %d", whole, n_workers)
        for number, (site, chosen) in enumerate(self._slurm.arrays(whole)):
            try:
                self._submit_array(site, len(chosen))
            except SubmissionError as error:
                if not number:
                    raise
                _log.warning("%s; the sweep goes on with the arrays before", error)
                return

    def _submit_array(self, site: Slurm, n_workers: int) -> None:
        launch_id, jobs, folder = plan(self._spec, n_workers)
        function = worker(self._spec, self._app, launch_id, self._template)
        context = without_callbacks(self._app.context)
        payload = replace(self._app, context=context, function=function)
        job_id = self._accepted(site, payload, jobs, folder)
        self._launches.add(launch_id, job_id)
        _log.info("array %s: %d workers; their output: %s", job_id, n_workers, folder)

    def _key(self, name: str) -> str:
        return typed_key(self._app.config, _SECTION, name)

    def _accepted(self, site: Slurm, payload: Payload, jobs: list[list[str]], folder: Path) -> str:
        try:
            with told_by_typed_keys(self._app.config, _SECTION, SubmissionError):
                return site.submit(payload, jobs, folder)
        except SubmissionError:
            shutil.rmtree(folder, ignore_errors=True)  # the scripts of a launch that is none
            with suppress(OSError):
                folder.parent.rmdir()
            raise


def plan(spec: SweepSpec, n_workers: int) -> tuple[str, list[list[str]], Path]:
    """Return the name of a new launch, the overrides of its workers, and its folder."""
    launch_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    folder = f"workers/{launch_id}"
    common = [*spec.space.fixed, f"hydra.sweep.dir={render(str(spec.sweep_dir))}"]
    common.append("hydra.job.chdir=false")  # each trial goes where the application wants it
    # A launcher of Hydra's would compose a worker's files from the configuration with its secrets.
    common.append("hydra.output_subdir=null")
    jobs = [[*common, f"hydra.sweep.subdir={folder}/{i}"] for i in range(n_workers)]
    return launch_id, jobs, _folder(spec, launch_id)


def _folder(spec: SweepSpec, launch_id: str) -> Path:
    return spec.sweep_dir / "workers" / launch_id


def worker(
    spec: SweepSpec, app: Payload, launch_id: str, template: Template | None = None
) -> Worker:
    """Return a worker of a launch; each process gets a copy."""
    return Worker(spec, application(spec, app, launch_id, template))


def application(
    spec: SweepSpec, app: Payload, launch_id: str, template: Template | None = None
) -> Application:
    """Return the application as the workers of a launch run it."""
    seed = f"{spec.study_name}/{(spec.sampler or {}).get('seed')}"
    place = app.config, app.function, spec.sweep_dir, launch_id
    return Application(app.context, *place, seed, app.script, template)
