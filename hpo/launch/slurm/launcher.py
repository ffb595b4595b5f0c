"""A plain Hydra multirun as a SLURM job array: one job each, waited for."""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from hpo import signals
from hpo.hydra_internals import JobReturn, failed, start_launcher
from hpo.launch.payload import Payload, read_result
from hpo.launch.slurm.check import check_site
from hpo.launch.slurm.cost import at_most
from hpo.launch.slurm.setup import failures
from hpo.launch.slurm.site import Slurm
from hpo.settings import SettingError, SweepFailure, told_by_typed_keys, typed_key

_log = logging.getLogger(__name__)


def launch(
    slurm: Slurm, payload: Payload, job_overrides: Sequence[Sequence[str]], first: int
) -> list[JobReturn]:
    """Submit the jobs as an array and return their results in order when all have ended.

    A job that was killed or canceled has a FAILED result and does not disturb the others. Ctrl-C
    cancels the jobs, unless `detach` is set.

    Raises:
        SweepError: the jobs can't be submitted, or need several GPUs each.
        SweepFailure: the set-up lines failed on each node.
        SystemExit: after a check of the site, with its verdict.
    """
    start_launcher(payload.config)
    sweep_dir = Path(payload.config.hydra.sweep.dir).absolute()
    folder = sweep_dir / "slurm" / f"{first}-{time.time():.0f}"
    if slurm.options.dry_run:
        slurm.show_script(len(job_overrides), folder)
        sys.stderr.write(f"{at_most(slurm.options, len(job_overrides))}\n")
        return []
    if slurm.options.check:
        raise SystemExit(check_site(slurm, len(job_overrides), sweep_dir, payload.config))
    jobs = [list(overrides) for overrides in job_overrides]
    for number, overrides in enumerate(jobs, first):
        # A mistake is found before the queue, and the jobs inherit the variables of their secrets.
        payload.compose(overrides, number)
    with told_by_typed_keys(payload.config, "hydra.launcher"):
        if slurm.options.shape.ranks > 1:
            raise SettingError("{gpus_per_trial} > 1 needs hydra/sweeper=optuna_async")
        job_ids = _submit(slurm, payload, jobs, folder, first)
    with signals.interrupt():
        try:
            while (queue := slurm.queue()) is None or not queue.keys().isdisjoint(job_ids):
                time.sleep(slurm.options.poll_s)
        except KeyboardInterrupt:
            if signals.received() == signal.SIGINT and not slurm.options.detach:
                for job_id in job_ids:
                    slurm.cancel(job_id)
            raise
    key = partial(typed_key, payload.config, "hydra.launcher")
    why = "; ".join(dict.fromkeys(failure.error().naming(key) for failure in failures(folder)))
    if why and not any(folder.glob("result-*.pkl")):
        raise SweepFailure(f"no job began: {why}")
    return [_result(folder, number, why) for number in range(first, first + len(jobs))]


def _submit(
    slurm: Slurm, payload: Payload, jobs: list[list[str]], folder: Path, first: int
) -> list[str]:
    slurm.validate()
    job_ids: list[str] = []
    try:
        for site, chosen in slurm.arrays(len(jobs)):
            part = [jobs[i] for i in chosen]
            job_ids.append(site.submit(payload, part, folder, first + chosen.start))
            _log.info("array %s: %d jobs; their output: %s", job_ids[-1], len(part), folder)
    except SettingError:
        for job_id in job_ids:
            slurm.cancel(job_id)
        raise
    return job_ids


def _result(folder: Path, number: int, why: str) -> JobReturn:
    reason = f"job {number} ended without a result; its output is in {folder}"
    reason += f"; {why}" if why else ""
    return read_result(folder / f"result-{number}.pkl") or failed(reason)
