"""A complete SLURM cluster on this machine, run by an ordinary user.

One controller and N node daemons in a private folder, without root, systemd, munge or
containers. CPUs and GPUs of the nodes are not hardware: they matter for the scheduling only.

A node is only a name: `hostname` is the same on all, SLURMD_NODENAME differs.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from testbed.packages import Programs, find_slurm
from testbed.processes import free_ports, processes_with, program_of, send, wait_until
from testbed.slurm_conf import GPU_DEVICES, write_configuration

_CONTROLLER = "controller"
_SHIMS = Path(__file__).parent / "bin"


class SlurmCluster:
    """A SLURM cluster of this user, started by `start` or by `with`.

    Attributes:
        folder: configuration, state and logs; also the working directory of `run`.
        nodes: the names of the nodes, n0, n1, ...
        environment: complete environment for clients (sbatch, submitit, ...).
    """

    def __init__(
        self,
        folder: Path,
        n_nodes: int = 4,
        cpus: int = 96,
        gpus: int = 4,
        *,
        kill_wait_s: int = 2,
        grace_s: int = 15,
        node_timeout_s: int = 10,
        programs: Programs | None = None,
    ) -> None:
        """Describe a cluster; nothing is started yet.

        Args:
            folder: is created; may be used again after `stop`.
            n_nodes: at least 1.
            cpus: per node.
            gpus: per node, at most 6.
            kill_wait_s: between SIGTERM and SIGKILL of a cancelled job.
            grace_s: between the signal to a preempted job and its end.
            node_timeout_s: without an answer, after which a node counts as dead.
            programs: those of SLURM; None: as `find_slurm` finds them.

        Raises:
            Unavailable: SLURM is neither installed nor could it be unpacked.
            ValueError: an argument is out of range.
        """
        if n_nodes < 1 or not 0 <= gpus <= len(GPU_DEVICES):
            raise ValueError(f"need n_nodes >= 1, 0 <= gpus <= 6, got {n_nodes=}, {gpus=}")
        self.folder = folder.resolve()
        self.nodes = [f"n{i}" for i in range(n_nodes)]
        self._sizes = {"cpus": cpus, "gpus": gpus}
        self._times = {
            "kill_wait_s": kill_wait_s,
            "grace_s": grace_s,
            "node_timeout_s": node_timeout_s,
        }
        self._programs = find_slurm() if programs is None else programs
        # The tests may themselves run inside a job of a real cluster.
        outside = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH"))}
        self.environment = self._programs.environment(outside)
        self.environment["PATH"] = os.pathsep.join([str(_SHIMS), self.environment["PATH"]])
        self.environment["SLURM_CONF"] = str(self.folder / "slurm.conf")

    def __enter__(self) -> SlurmCluster:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether a controller of this folder runs, started by this process or another one."""
        return bool(self._processes(_CONTROLLER))

    def start(self) -> None:
        """Start the daemons; return when all nodes are idle, after about a second.

        Raises:
            RuntimeError: it runs already, or did not start.
        """
        if self.running:
            raise RuntimeError(f"the cluster in {self.folder} runs already")
        for name in ("state", "log", "run"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir(parents=True)
        self._remove_spool()
        spool = Path(tempfile.mkdtemp(prefix="slurm-"))  # paths of sockets must be short
        (self.folder / "spool").symlink_to(spool)
        for node in self.nodes:
            (spool / node).mkdir()
        plugins = [path for path in self._programs.libraries if path.name == "slurm-wlm"]
        ports = free_ports(1 + len(self.nodes))
        write_configuration(
            self.folder, spool, self.nodes, ports, plugins, **self._sizes, **self._times
        )
        try:
            self._start_daemon(_CONTROLLER, "slurmctld", "-c")
            for node in self.nodes:
                self._start_daemon(node, "slurmd", "-N", node)
            self._wait_for_nodes(self.nodes)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Cancel all jobs and end all daemons, if any run; leave no process."""
        if self.running:
            self.run("scancel", f"--user={os.getuid()}", check=False)
            wait_until(lambda: not self._job_processes(), self._times["kill_wait_s"] + 5)
        self._kill()  # a node daemon that is asked to end may take 5 s
        self._remove_spool()

    def run(self, *command: str, check: bool = True) -> str:
        """Run a client command in `folder`; return its output.

        Raises:
            RuntimeError: it failed, and `check` is true.
        """
        result = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if check and result.returncode:
            raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip()}")
        return result.stdout

    def jobs(self) -> list[dict[str, str]]:
        """Return all jobs and array tasks, with the fields of `scontrol show job`."""
        lines = self.run("scontrol", "show", "job", "-o").splitlines()
        jobs = [dict(re.findall(r"(\S+?)=(.*?)(?= \S+?=|\s*$)", line)) for line in lines]
        return [job for job in jobs if "JobId" in job]  # not "No jobs in the system"

    def kill_node(self, name: str) -> None:
        """Kill the daemon of a node, its job steps and tasks at once, as if its power failed.

        The controller notices after about 15 s; 10 s later its jobs run again elsewhere. A node
        that is back sooner has lost its jobs too, but the controller notices that later.
        """
        self._check_name(name)
        self._kill(name)

    def start_node(self, name: str) -> None:
        """Bring a killed node back; return when it takes jobs again."""
        self._check_name(name)
        if not self._processes(name):
            self._start_daemon(name, "slurmd", "-N", name)
        self._wait_for_nodes([name])

    def _check_name(self, name: str) -> None:
        if name not in self.nodes:
            raise ValueError(f"the nodes are {', '.join(self.nodes)}, got {name!r}")

    def _start_daemon(self, name: str, program: str, *arguments: str) -> None:
        if program == "slurmd" and self._programs.libraries:
            arguments = (*arguments, "-d", str(self._programs.path("slurmstepd")))
        # The job steps of a node inherit the name as the tasks do: this is how they are found.
        environment = {**self.environment, "SLURMD_NODENAME": name}
        log = self.folder / "log" / f"{name}.start"
        with log.open("wb") as output:
            result = subprocess.run(
                [self._programs.path(program), *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
            )
        if result.returncode:
            raise RuntimeError(f"{program} did not start: {log.read_text().strip()}")

    def _wait_for_nodes(self, names: list[str]) -> None:
        wanted = {f"{name} {state}" for name in names for state in ("idle", "mix", "alloc")}

        def ready() -> bool:
            states = self.run("sinfo", "-h", "-N", "-p", "batch", "-o", "%N %t", check=False)
            return len(wanted.intersection(states.splitlines())) == len(names)

        if not wait_until(ready, 30):
            raise RuntimeError(
                f"not all nodes started, see {self.folder}/log:\n{self.run('sinfo', '-N')}"
            )

    def _processes(self, name: str | None = None) -> list[int]:
        """All processes of a node (None: of all nodes and the controller), detached tasks too."""
        return processes_with(SLURM_CONF=self.environment["SLURM_CONF"], SLURMD_NODENAME=name)

    def _job_processes(self) -> list[int]:
        return [pid for pid in self._processes() if _rank(pid) > 0]

    def _kill(self, name: str | None = None) -> None:
        # Repeated: a daemon may have just started a process. The daemon first and then the job
        # steps, so that none is left to report the death of a task.
        while pids := sorted(self._processes(name), key=_rank):
            send(signal.SIGKILL, pids)

    def _remove_spool(self) -> None:
        link = self.folder / "spool"
        if link.is_symlink():
            shutil.rmtree(link.readlink(), ignore_errors=True)
            link.unlink()


def _rank(pid: int) -> int:
    """0 for a daemon, 1 for a job step, 2 for everything else."""
    program = program_of(pid)
    if program.startswith("slurmstepd"):
        return 1
    return 0 if program.startswith(("slurmctld", "slurmd")) else 2
