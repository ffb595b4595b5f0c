"""`launcher.check=true`: is a site ready? A verdict of one line per question, with the remedy.

What the login node can tell is asked first; then a job of a minute tries the set-up lines, Python
and the file system of the sweep from a compute node.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from omegaconf import DictConfig

from hpo import signals
from hpo.launch.slurm.commands import Unanswered, largest_array, minutes, partitions
from hpo.launch.slurm.site import Slurm, n_elements
from hpo.launch.slurm.trial_job import Finding, try_job
from hpo.settings import SettingError, typed_key

_LEAST_GB = 1.0
_LEAST_FILES = 1000
_FOLDER = "change hydra.sweep.dir to a folder that you may write to and that all nodes see"


def check_site(slurm: Slurm, n_workers: int, sweep_dir: Path, config: DictConfig) -> int:
    """Print the verdict on a site for a sweep in this folder; return the exit code.

    0: ready, 1: something failed, 130: interrupted.
    """
    key = partial(typed_key, config, "hydra.launcher")
    n_failed = 0
    try:
        with signals.interrupt():
            for what, finding in _findings(slurm, n_workers, sweep_dir):
                n_failed += isinstance(finding, SettingError)
                _print(what, finding, key)
    except KeyboardInterrupt:
        sys.stdout.write("interrupted; its job is canceled\n")
        return 130
    sys.stdout.write(f"{n_failed} failed\n" if n_failed else "the site is ready\n")
    return 1 if n_failed else 0


def _print(what: str, finding: str | SettingError, key: Callable[[str], str]) -> None:
    if isinstance(finding, SettingError):
        sys.stdout.write(f"FAIL {what:13}{finding.naming(key)}\n")
    else:
        sys.stdout.write(f"ok   {what:13}{finding}\n")
    sys.stdout.flush()


def _findings(slurm: Slurm, n_workers: int, sweep_dir: Path) -> Iterator[Finding]:
    failed = set()
    with _scratch(sweep_dir) as folder:
        for what, look in _QUESTIONS.items():
            try:
                text = look(slurm, n_workers, folder)
            except SettingError as error:
                failed.add(what)
                yield what, error
            else:
                yield what, text
        if isinstance(folder, OSError) or failed & {"partition", "submission"}:
            yield "job", SettingError("not tried: correct what failed first")
            return
        yield from try_job(slurm, folder)


@contextmanager
def _scratch(sweep_dir: Path) -> Iterator[Path | OSError]:
    """Make a folder in that of the sweep; leave nothing behind."""
    made = [path for path in (sweep_dir, *sweep_dir.parents) if not path.exists()]
    folder: Path | OSError
    try:
        sweep_dir.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="site-check-", dir=sweep_dir))
    except OSError as error:
        folder = error
    try:
        yield folder
    finally:
        if isinstance(folder, Path):
            shutil.rmtree(folder, ignore_errors=True)
        for path in made:
            with suppress(OSError):
                path.rmdir()


def _look_at_partition(slurm: Slurm, *_: object) -> str:
    fields = _partition(slurm)
    name, state = fields["PartitionName"], fields.get("State", "UP")
    if state != "UP":
        text = "partition {} is {}: wait for it, or change {partition} (sinfo -s)"
        raise SettingError(text, name, state)
    return f"{name} is up, {fields.get('TotalNodes', '?')} nodes"


def _partition(slurm: Slurm) -> dict[str, str]:
    try:
        known = partitions()
    except Unanswered as answer:
        raise SettingError("SLURM does not answer: {}", answer) from answer
    names = [(slurm.options.partition or os.environ.get("SBATCH_PARTITION", "")).partition(",")[0]]
    if names == [""]:
        names = [name for name, fields in known.items() if fields.get("Default") == "YES"]
    if not names:
        raise SettingError("the site has no default: set {partition} to one of {}", _list(known))
    if names[0] not in known:
        text = "there is no '{}': set {partition} to one of {}"
        raise SettingError(text, names[0], _list(known))
    return known[names[0]]


def _list(names: dict[str, dict[str, str]]) -> str:
    return ", ".join(names)


def _look_at_time(slurm: Slurm, *_: object) -> str:
    fields, wanted = _partition(slurm), slurm.options.timeout_min
    limit = fields.get("MaxTime", "UNLIMITED")
    if wanted > minutes(limit):
        text = "{timeout_min}={} is more than partition {} allows: set at most {:g}"
        raise SettingError(text, wanted, fields["PartitionName"], minutes(limit))
    return f"{wanted} min a job, the limit is {limit}"


def _look_at_arrays(slurm: Slurm, n_workers: int, *_: object) -> str:
    limit, n_arrays = largest_array(), len(slurm.arrays(n_workers))
    if n_workers > slurm.options.max_workers:
        text = "{} workers are more than {max_workers}={}: take fewer, or set {max_workers}={}"
        raise SettingError(text, n_workers, slurm.options.max_workers, n_workers)
    size = f"workers: {n_workers}, jobs: {n_elements(slurm.options, n_workers)}"
    return f"{size}, arrays: {n_arrays} (the limit is {limit or '?'} jobs each)"


def _look_at_submission(slurm: Slurm, *_: object) -> str:
    slurm.validate()
    account = slurm.options.account or os.environ.get("SBATCH_ACCOUNT") or "the default account"
    return f"sbatch takes a job of {account}"


def _look_at_folder(_slurm: Slurm, _n: int, folder: Path | OSError) -> str:
    if isinstance(folder, OSError):
        raise SettingError("{}: {}; {}", folder.filename, folder.strerror, _FOLDER)
    free_gb = shutil.disk_usage(folder).free / 1e9
    status = os.statvfs(folder)
    if free_gb < _LEAST_GB or (status.f_files and status.f_favail < _LEAST_FILES):
        text = "only {:.1f} GB and {} files are free in {}: make room, or change hydra.sweep.dir"
        raise SettingError(text, free_gb, status.f_favail, folder.parent)
    return f"{free_gb:.0f} GB free in {folder.parent} (a quota may be less)"


_QUESTIONS: dict[str, Callable[[Slurm, int, Path | OSError], str]] = {
    "partition": _look_at_partition,
    "time limit": _look_at_time,
    "arrays": _look_at_arrays,
    "submission": _look_at_submission,
    "sweep folder": _look_at_folder,
}
