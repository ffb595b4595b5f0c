"""The configuration files of an unprivileged SLURM; all nodes are this machine."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Sequence
from pathlib import Path

# A GPU is a character device to SLURM, any will do: these exist in every container.
GPU_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

_SLURM_CONF = """\
ClusterName=hpo
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
# No authentication: the cluster exists only during a test, on the loopback interface.
AuthType=auth/none
CredType=cred/none
# A requeued job waits for this time: 5 s is the smallest that is accepted, 120 s the default.
AuthInfo=cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={spool}/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
# Jobs start at once: the defaults cost 3 s per job.
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=1
DefMemPerCPU=100
ReturnToService=1
# A node is considered dead after this time without an answer, its connection after MessageTimeout.
SlurmdTimeout={node_timeout_s}
MessageTimeout=3
SlurmctldTimeout=10
KillWait={kill_wait_s}
# Finished jobs are remembered for a day: our sacct asks the controller.
MinJobAge=86400
MaxJobCount=100000
MaxArraySize=10001
# A folder that is used again must not find the results of another job of the same number.
FirstJobId={first_job_id}
GresTypes=gpu
AccountingStorageType=accounting_storage/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
{plugins}
{nodes}
PartitionName=batch Nodes=ALL Default=YES MaxTime=1-0 PriorityTier=1 LLN=YES GraceTime={grace_s}
PartitionName=urgent Nodes=ALL MaxTime=1-0 PriorityTier=10 PreemptMode=OFF
"""


def write_configuration(
    folder: Path,
    spool: Path,
    nodes: Sequence[str],
    ports: Sequence[int],
    plugins: Sequence[Path],
    *,
    cpus: int,
    gpus: int,
    kill_wait_s: int,
    grace_s: int,
    node_timeout_s: int,
) -> None:
    """Write `slurm.conf` and `gres.conf` into a folder.

    Args:
        folder: also for state and logs of the daemons.
        spool: of the nodes; a short path, as it holds sockets.
        nodes: their names.
        ports: one of the controller, then one per node.
        plugins: folders of unpacked plugins; empty: where the installed SLURM expects them.
        cpus: per node.
        gpus: per node.
        kill_wait_s: between SIGTERM and SIGKILL of a cancelled job.
        grace_s: between the signal to a preempted job and its end.
        node_timeout_s: without an answer, after which a node counts as dead.
    """
    host = socket.gethostname().partition(".")[0]
    gres = f" Gres=gpu:{gpus}" if gpus else ""
    lines = [
        f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} "
        f"CPUs={cpus} RealMemory=512000{gres}"
        for name, port in zip(nodes, ports[1:], strict=True)
    ]
    text = _SLURM_CONF.format(
        host=host,
        port=ports[0],
        user=os.getuid(),
        folder=folder,
        spool=spool,
        kill_wait_s=kill_wait_s,
        grace_s=grace_s,
        node_timeout_s=node_timeout_s,
        first_job_id=random.SystemRandom().randrange(1_000, 9_000_000),
        plugins=f"PluginDir={':'.join(map(str, plugins))}" if plugins else "",
        nodes="\n".join(lines),
    )
    (folder / "slurm.conf").write_text(text)
    devices = [
        f"NodeName={name} Name=gpu File=/dev/{device}\n"
        for name in nodes
        for device in GPU_DEVICES[:gpus]
    ]
    (folder / "gres.conf").write_text("".join(devices))
