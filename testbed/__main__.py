"""A SLURM cluster on this machine, without root: for tests by hand (`make slurm-up slurm-down`).

    python -m testbed up [nodes=4] [cpus=96] [gpus=4] [folder=.cache/slurm]
    python -m testbed down [folder=.cache/slurm]

`up` starts it, in about a second, and says how to use it; it runs until `down`. CPUs (per node)
and GPUs (per node, at most 6) are not hardware: they matter for the scheduling only. There are
two partitions: `batch`, and `urgent`, whose jobs preempt those of `batch`. If SLURM is not
installed, the packages of the distribution are unpacked into .cache/debian.
"""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from commons.cli import Failure, dispatch, run_command
from testbed.slurm import SlurmCluster


@dataclass
class Settings:
    """What the command line may set."""

    nodes: int = 4
    cpus: int = 96
    gpus: int = 4
    folder: Path = Path(__file__).parents[1] / ".cache" / "slurm"


def main(arguments: list[str]) -> int:
    """Start or stop a cluster; see the module's text."""
    actions = {
        "up": partial(run_command, up, Settings, text=__doc__),
        "down": partial(run_command, down, Settings, text=__doc__),
    }
    return dispatch(actions, arguments, __doc__)


def up(settings: Settings) -> int:
    """Start a cluster that runs on after this command, unless it runs; print how to use it."""
    cluster = SlurmCluster(settings.folder, settings.nodes, settings.cpus, settings.gpus)
    if cluster.running:
        print(f"The cluster in {cluster.folder} runs already:")
    else:
        try:
            cluster.start()
        except RuntimeError as error:
            raise Failure(str(error)) from error
        print(f"A cluster of {settings.nodes} nodes is up in {cluster.folder}:")
    script = cluster.folder / "env.sh"
    script.write_text(_exports(cluster.environment))
    print(cluster.run("sinfo").rstrip())
    print(f"\nUse it in this shell:  source {shlex.quote(str(script))}")
    print("Then for example:      sbatch --wrap 'sleep 60'; squeue; sacct")
    return 0


def down(settings: Settings) -> int:
    """Stop the cluster of a folder, if there is one."""
    if not (settings.folder / "slurm.conf").exists():
        print(f"No cluster in {settings.folder}.")
        return 0
    cluster = SlurmCluster(settings.folder)
    was_running = cluster.running
    cluster.stop()
    print(f"The cluster in {cluster.folder} is {'down' if was_running else 'not up'}.")
    return 0


def _exports(environment: dict[str, str]) -> str:
    """The part of an environment that the user's shell lacks, for `source`."""
    have = os.environ.get("PATH", "").split(os.pathsep)
    ours = [path for path in environment["PATH"].split(os.pathsep) if path not in have]
    lines = [f"export SLURM_CONF={shlex.quote(environment['SLURM_CONF'])}"]
    lines.append(f'export PATH={shlex.quote(os.pathsep.join(ours))}:"$PATH"')
    if environment.get("LD_LIBRARY_PATH") != os.environ.get("LD_LIBRARY_PATH"):
        lines.append(f"export LD_LIBRARY_PATH={shlex.quote(environment['LD_LIBRARY_PATH'])}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
