"""One sweep of the chaos application: the command, its study, its jobs and its witness."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import TrialState

from commons.processes import is_alive
from hpo.attributes import LEASE, WORKER
from hpo.storage.opening import open_storage
from testbed.postgres import PostgresServer
from testbed.slurm import SlurmCluster

ROOT = Path(__file__).parents[2]
_APP = ROOT / "benchmarks" / "chaos" / "app" / "app.py"
_LIMIT_S = 400.0


@dataclass(frozen=True)
class Line:
    """A line of the witness: `kind` (start, epoch or end) of which epoch, where and when."""

    kind: str
    epoch: int
    pid: int
    time: float


@dataclass(frozen=True)
class Size:
    """How large a sweep is: trials, epochs of a full trial, seconds of an epoch, workers."""

    n_trials: int = 40
    epochs: int = 10
    epoch_s: float = 0.5
    n_workers: int = 8


class Sweep:
    """A sweep as a user runs it on the login node.

    Args:
        cluster: where its jobs run.
        folder: of its own; emptied here.
        size: of the sweep.
        storage: as `hydra.sweeper.storage`; None: the journal in the sweep folder.
        overrides: further arguments of the command.

    Attributes:
        size: of the sweep.
        dir: the sweep folder.
        output: everything that its commands have printed.
        left: what a fault has left of the journal; absent: nothing.
    """

    def __init__(
        self,
        cluster: SlurmCluster,
        folder: Path,
        size: Size,
        storage: str | None = None,
        overrides: tuple[str, ...] = (),
    ) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "witness").mkdir(parents=True)
        self.cluster, self.size, self.folder = cluster, size, folder
        self.dir, self.output = folder / "sweep", folder / "output"
        self.left = folder / "left.log"
        self.storage = storage
        self._overrides = overrides
        self._known = {job["JobId"] for job in cluster.jobs()}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the command, for the first time or again."""
        size = self.size
        arguments = [
            *("-m", f"epochs={size.epochs}", f"epoch_s={size.epoch_s}"),
            *(f"witness={self.folder / 'witness'}", f"hydra.sweep.dir={self.dir}"),
            *(f"hydra.sweeper.n_trials={size.n_trials}",),
            *(f"hydra.sweeper.n_workers={size.n_workers}",),
            *((f"hydra.sweeper.storage='{self.storage}'",) if self.storage else ()),
            *self._overrides,
        ]
        environment = {**self.cluster.environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, str(_APP), *arguments],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill the command as the kernel does when memory runs out; its jobs go on."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self) -> int | None:
        """Wait for the command; return its exit code, None if it had to be killed."""
        assert self._process is not None
        try:
            return self._process.wait(timeout=_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def clean(self) -> None:
        """End the command and its jobs, if they run."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        left = [job["JobId"] for job in self.jobs() if job["JobState"] not in _ENDED]
        if left:
            self.cluster.run("scancel", *left, check=False)

    @property
    def running(self) -> bool:
        """Whether the command still runs."""
        return self._process is not None and self._process.poll() is None

    def wait_until(self, condition: Callable[[], bool], what: str, limit_s: float = 90) -> None:
        """Wait for a condition.

        Raises:
            RuntimeError: the sweep ended or the time was over before `what` happened.
        """
        deadline = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > deadline or not self.running:
                raise RuntimeError(f"before {what} the sweep ended or {limit_s:.0f} s were over")
            time.sleep(0.05)

    def wait_for_work(self, n_trials: int | None = None) -> None:
        """Wait until this many trials (None: one per worker) have finished an epoch."""
        wanted = self.size.n_workers if n_trials is None else n_trials

        def at_work() -> bool:
            lines = self.witness()
            return sum(any(line.kind == "epoch" for line in of) for of in lines.values()) >= wanted

        self.wait_until(at_work, "all workers were running trials")

    def study(self) -> optuna.Study:
        """Return the study."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = open_storage(self.storage, self.dir, exists=True)
        return optuna.load_study(study_name="chaos", storage=storage)

    def owners(self) -> dict[int, int]:
        """Return the process that works on each RUNNING trial, by number."""
        running = self.study().get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        leases = {trial.number: trial.system_attrs.get(LEASE) for trial in running}
        return {
            number: int(lease["pid"])
            for number, lease in leases.items()
            if lease and "id" in lease
        }

    def workers(self) -> list[int]:
        """Return the live workers, as process numbers."""
        attributes = self.study().user_attrs.items()
        pids = [int(record["pid"]) for key, record in attributes if key.startswith(WORKER)]
        return sorted(filter(is_alive, pids))

    def witness(self) -> dict[int, list[Line]]:
        """Return what the application has noted, by trial, oldest first."""
        lines: dict[int, list[Line]] = defaultdict(list)
        for file in sorted((self.folder / "witness").iterdir()):
            lines[int(file.name)] = [Line(**json.loads(x)) for x in file.read_text().splitlines()]
        return lines

    def workers_outputs(self) -> list[str]:
        """Return what each worker has printed."""
        logs = sorted(self.dir.glob("workers/*/*_log.out"))
        return [log.read_text(errors="replace") for log in logs]

    def jobs(self) -> list[dict[str, str]]:
        """Return its array elements, as `scontrol show job` has them."""
        jobs = [job for job in self.cluster.jobs() if job["JobId"] not in self._known]
        return [job for job in jobs if "ArrayJobId" in job]

    def running_jobs(self) -> list[dict[str, str]]:
        """Return its array elements that run now."""
        return [job for job in self.jobs() if job["JobState"] == "RUNNING"]

    def arrays(self) -> list[str]:
        """Return the numbers of the arrays that it has submitted, as sacct shows them."""
        ours = {job["JobId"] for job in self.jobs()}
        rows = self.cluster.run("sacct", "-n", "-X", "-o", "JobIDRaw,JobID").splitlines()
        pairs = (row.split("|") for row in rows)
        return sorted({array.split("_")[0] for raw, array in pairs if raw in ours})

    def restarts(self) -> list[int]:
        """Return how often each of its array elements was requeued."""
        return [int(job["Restarts"]) for job in self.jobs()]


@dataclass(frozen=True)
class Stage:
    """What a fault may act on.

    Attributes:
        sweep: its command has just been started.
        rng: seeded.
        cleanup: what has to be undone when the sweep has ended.
        postgres: the server that holds the study, if it is there.
    """

    sweep: Sweep
    rng: random.Random
    cleanup: ExitStack
    postgres: PostgresServer | None


_ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}


def signal_process(pid: int, number: int) -> bool:
    """Send a signal; return whether the process exists."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
