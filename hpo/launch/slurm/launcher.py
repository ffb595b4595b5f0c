"""A plain Hydra multirun as a SLURM job array: one job each, waited for."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from hpo import signals
from hpo.hydra_internals import JobReturn, failed, start_launcher
from hpo.launch.payload import Payload, read_result
from hpo.launch.slurm.site import Slurm
from hpo.settings import SettingError, told_by_typed_keys

_log = logging.getLogger(__name__)


def launch(
    slurm: Slurm, payload: Payload, job_overrides: Sequence[Sequence[str]], first: int
) -> list[JobReturn]:
    """Submit the jobs as one array and return their results in order when all have ended.

    A job that was killed or canceled has a FAILED result and does not disturb the others. Ctrl-C
    cancels the jobs, unless `detach` is set.

    Raises:
        SweepError: the jobs can't be submitted, or need several GPUs each.
    """
    start_launcher(payload.config)
    sweep_dir = Path(payload.config.hydra.sweep.dir).absolute()
    folder = sweep_dir / "slurm" / f"{first}-{time.time():.0f}"
    if slurm.options.dry_run:
        slurm.show_script(len(job_overrides), folder)
        return []
    jobs = [list(overrides) for overrides in job_overrides]
    with told_by_typed_keys(payload.config, "hydra.launcher"):
        if slurm.options.shape.ranks > 1:
            raise SettingError("{gpus_per_trial} > 1 needs hydra/sweeper=optuna_async")
        job_id = slurm.submit(payload, jobs, folder, first)
    _log.info("array %s: %d jobs; their output: %s", job_id, len(jobs), folder)
    with signals.interrupt():
        try:
            while (queue := slurm.states()) is None or job_id in queue:
                time.sleep(slurm.options.poll_s)
        except KeyboardInterrupt:
            if signals.received() == signal.SIGINT and not slurm.options.detach:
                slurm.cancel(job_id)
            raise
    return [_result(folder, number) for number in range(first, first + len(jobs))]


def _result(folder: Path, number: int) -> JobReturn:
    reason = f"job {number} ended without a result; its output is in {folder}"
    return read_result(folder / f"result-{number}.pkl") or failed(reason)
