"""How to use a SLURM site: the settings of `hydra/launcher: hpo_slurm`.

Imported whenever Hydra starts, so it imports nothing heavy. No postponed annotations: OmegaConf
reads the types.
"""

import os
from dataclasses import dataclass, field, replace
from typing import Any

from hpo.growth import Growth, read_growth
from hpo.launch.slurm.names import check_no_secret, check_srun, check_text, sbatch_options
from hpo.settings import SettingError


@dataclass(frozen=True)
class Shape:
    """The tasks of one element of an array; groups of `ranks` tasks train one trial together."""

    nodes: int
    tasks_per_node: int
    ranks: int

    @property
    def n_workers(self) -> int:
        """Workers of the element."""
        return self.nodes * self.tasks_per_node // self.ranks


@dataclass
class SlurmOptions:
    """Settings of `hydra/launcher: hpo_slurm`; None: the default of the site.

    Attributes:
        account: project that pays.
        needs_account: refuse to submit without one.
        partition: queue.
        timeout_min: wall time of a job (min); when it is over, the job is requeued and continues.
        gpus_per_trial: ranks of a trial, one GPU each; 0: one rank without a GPU. Or GPUs by steps
            done, such as {0: 1, 9: 4}: a trial that has done 9 steps goes on with 4 of them. This
            attribute is the number at step 0 then.
        gpus_per_node: GPUs of a node; needed for whole nodes and for trials over several nodes.
        whole_nodes: nodes are allocated whole: pack one worker per `gpus_per_trial` GPUs.
        tasks_per_node: None: as many as that needs; more share the GPUs of a whole node.
        gpu_option: sbatch's option to ask for GPUs: `gres` (as gpu:N) or `gpus-per-node`.
        cpus_per_task: cores of a rank.
        mem_gb: memory of a node (GB).
        array_parallelism: elements of the array that may run at once (`%`).
        signal_delay_s: how long before the time limit a job is warned; it drops its epoch (s).
        requeue: a warned job goes back to the queue; False: it ends, and the command that watches
            the sweep submits new workers.
        name: of the array in the queue.
        setup: shell lines before the workers start, e.g. `module load ...`. The job ends at the
            first one that fails.
        teardown: shell lines after they have ended.
        srun_args: further arguments of srun.
        python: words that start Python in place of the running interpreter (a container).
        qos, constraint, nodelist, exclude, dependency, reservation, exclusive, comment: sbatch's.
        sbatch: any other option of sbatch, name -> value (true for a flag).
        detach: Ctrl-C leaves the jobs alone instead of canceling them.
        dry_run: print the job script and submit nothing.
        check: try the site with a job of a minute, print a verdict and start nothing else.
        max_workers: a sweep with more workers than this asks before it submits them.
        poll_s: time between two looks at the queue (s).
    """

    account: str | None = None
    needs_account: bool = False
    partition: str | None = None
    timeout_min: int = 60
    gpus_per_trial: Any = 1
    gpus_per_node: int | None = None
    whole_nodes: bool = False
    tasks_per_node: int | None = None
    gpu_option: str = "gpus-per-node"
    cpus_per_task: int | None = None
    mem_gb: float | None = None
    array_parallelism: int | None = None
    signal_delay_s: int = 120
    requeue: bool = True
    name: str = "hpo"
    setup: list[str] = field(default_factory=list)
    teardown: list[str] = field(default_factory=list)
    srun_args: list[str] = field(default_factory=list)
    python: list[str] | None = None
    qos: str | None = None
    constraint: str | None = None
    nodelist: str | None = None
    exclude: str | None = None
    dependency: str | None = None
    reservation: str | None = None
    exclusive: bool = False
    comment: str | None = None
    sbatch: dict[str, Any] = field(default_factory=dict)
    detach: bool = False
    dry_run: bool = False
    check: bool = False
    max_workers: int = 500
    poll_s: float = 5.0

    def __post_init__(self) -> None:
        """Find what sbatch would find only later, or not at all.

        Raises:
            SettingError: a setting is missing, out of range or contradicts another; names it.
        """
        self.growth = _growth(self.gpus_per_trial)
        if self.growth is not None:
            for gpus in self.growth.sizes:
                replace(self, gpus_per_trial=gpus)
            self.gpus_per_trial = self.growth.after(0)
        if self.needs_account and not (self.account or os.environ.get("SBATCH_ACCOUNT")):
            raise SettingError(
                "{account} is missing: this site asks which project pays. Give {account}=NAME or "
                "set the environment variable SBATCH_ACCOUNT"
            )
        for key, least in (("timeout_min", 1), ("gpus_per_trial", 0), ("signal_delay_s", 1)):
            if getattr(self, key) < least:
                raise SettingError(f"{{{key}}} must be >= {least}, got {{}}", getattr(self, key))
        if self.gpu_option not in ("gres", "gpus-per-node"):
            rule = "{gpu_option} must be gres or gpus-per-node, got {}"
            raise SettingError(rule, self.gpu_option)
        if self.max_workers < 1:
            raise SettingError("{max_workers} must be >= 1, got {}", self.max_workers)
        self.sbatch = sbatch_options(self.sbatch)
        check_srun(self.srun_args)
        texts = vars(self) | {"sbatch": list(map(str, self.sbatch.values()))}
        for key, value in texts.items():
            for text in value if isinstance(value, list) else [value]:
                check_text(key, text if isinstance(text, str) else "")
        for key in ("setup", "teardown"):
            for line in getattr(self, key):
                check_no_secret(key, line)
        _ = self.shape

    @property
    def shape(self) -> Shape:
        """The tasks of an element of the array.

        Raises:
            SettingError: the ranks of a trial do not fill whole nodes, or nodes have no GPU.
        """
        ranks, per_node = max(self.gpus_per_trial, 1), self.gpus_per_node
        if per_node is not None and per_node < 1:
            rule = "{gpus_per_node} must be >= 1, got {}; without GPUs: {gpus_per_trial}=0"
            raise SettingError(rule, per_node)
        if self.whole_nodes and not per_node:
            raise SettingError("{whole_nodes} needs {gpus_per_node}")
        uneven = per_node and max(ranks, per_node) % min(ranks, per_node)
        if uneven and per_node and (self.whole_nodes or ranks > per_node):
            raise SettingError(
                "{gpus_per_trial}={} does not fit nodes with {} GPUs: it must divide that number "
                "or be a multiple of it",
                ranks,
                per_node,
            )
        nodes = max(1, ranks // per_node) if per_node else 1
        tasks = per_node if self.whole_nodes and per_node else ranks // nodes
        if self.tasks_per_node is not None:
            tasks = self.tasks_per_node
        if nodes * tasks % ranks:
            raise SettingError(
                "{tasks_per_node}={} is not a multiple of the {} ranks that a trial has on a node",
                tasks,
                ranks // nodes,
            )
        return Shape(nodes, tasks, ranks)

    @property
    def gpus_of_node(self) -> int:
        """GPUs that an element of the array has on each of its nodes."""
        if self.gpus_per_trial == 0:
            return 0
        return (self.whole_nodes and self.gpus_per_node) or self.shape.tasks_per_node


def _growth(setting: Any) -> Growth | None:
    try:
        return read_growth(setting)
    except ValueError as error:
        raise SettingError("{gpus_per_trial} {}", error) from error
