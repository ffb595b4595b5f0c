"""What SLURM's answers mean for the settings: refusals of sbatch, reasons of waiting jobs.

The texts are those of SLURM 20.11 to 25.05. In each table the first pattern that fits counts.
"""

from __future__ import annotations

import re

from commons.terminal import printable
from hpo.settings import SettingError

_NOISE = re.compile(
    r"(?:(?:sbatch|scontrol|squeue|sacct|scancel): )?(?:error: )?"
    r"(?:Batch job submission failed: |allocation failure: )?",
    re.IGNORECASE,
)
_USAGE = re.compile(r'Try "sbatch --help"|^Usage: ')

_FEWER = "take fewer workers"
_ACCOUNT = "change {account} (sacctmgr show assoc user=$USER)"
_QOS = "change {qos} (sacctmgr show assoc user=$USER format=qos)"
_TIME = "lower {timeout_min}, or change {partition} (sinfo -o '%P %l')"
_SIZE = "lower {timeout_min}, {cpus_per_task}, {mem_gb} or the GPUs per trial"
_NODE = (
    "change {constraint}, {cpus_per_task}, {mem_gb} or {partition} (sinfo -N -o '%P %c %m %f %G')"
)

# Of refusals: what to do.
_REFUSALS = (
    ("submit ?(job)? ?limit|MaxSubmit", f"{_FEWER}, or wait until other jobs have ended"),
    ("QOS policy", f"{_SIZE}, {_FEWER}, or change {{account}} or {{qos}}"),
    ("partition configuration", _TIME),
    (
        "partition (name )?specified|this partition|partition.*unavail",
        "change {partition} (sinfo -s)",
    ),
    ("account|association", f"{_ACCOUNT}, or {{partition}} if it is not for this account"),
    ("qos", _QOS),
    ("time limit", _TIME),
    ("reservation", "change {reservation} (scontrol show reservation)"),
    ("feature", "change {constraint} (sinfo -o '%P %f')"),
    ("dependency", "change {dependency}"),
    ("license", "change licenses in {sbatch} (scontrol show lic)"),
    ("node name|node list", "change {nodelist} or {exclude}"),
    ("gres|generic resource|GPU", "change {gpu_option}, {gpus_per_node} or the GPUs per trial"),
    ("memory", "lower {mem_gb}"),
    ("array", f"{_FEWER}, or ask the site for its MaxArraySize"),
    ("option", "correct {sbatch} (sbatch --help)"),
    ("node configuration|CPU count|node count|processors", _NODE),
)

# Refusals that only say "not now": the job itself would wait.
_NOT_NOW = re.compile(
    r"\bbusy\b|not available \(down|not available now|unable to contact|timed out|try again"
    r"|temporarily|socket|zero bytes|connection|draining",
    re.IGNORECASE,
)

# Of waiting jobs: reasons that do not go away by themselves, and what to do.
_STUCK = (
    ("PartitionTimeLimit|MaxWall", _TIME),
    ("PartitionNodeLimit", "change the GPUs per trial, or {partition} (scontrol show partition)"),
    ("PartitionConfig|AccountNotAllowed|QOSNotAllowed", "change {partition}, {account} or {qos}"),
    ("PartitionDown|PartitionInactive", "change {partition}, or wait for it (sinfo -s)"),
    ("InvalidAccount", _ACCOUNT),
    ("InvalidQOS|QOSUsageThreshold", _QOS),
    ("ReqNodeNotAvail", "wait for the nodes (sinfo -R), or change {nodelist} or {constraint}"),
    ("BadConstraints", _NODE),
    ("JobHeldAdmin", "an administrator holds the job: ask the site"),
    ("held|JobHoldMaxRequeue", "scontrol release JOB"),
    ("DependencyNeverSatisfied", "change {dependency}"),
    ("ReservationDeleted|InvalidReservation", "change {reservation} (scontrol show reservation)"),
    ("Grp.*Min(ute)?s|AccountingPolicy", "the budget is used up: change {account} or {qos}"),
    ("(Assoc|QOS)\\w+Per(Job|Node)|QOSMin", f"{_SIZE}, or change {{account}} or {{qos}}"),
    ("(Assoc|QOS)(Max|Grp)", f"{_FEWER}, change {{account}} or {{qos}}, or wait for other jobs"),
)


def said(answer: str) -> str:
    """Return what a command of SLURM has written as one line, without its own name.

    >>> said("sbatch: error: Batch job submission failed: Invalid qos specification")
    'Invalid qos specification'
    """
    lines = [_NOISE.sub("", line.strip(), count=1) for line in answer.splitlines()]
    kept = dict.fromkeys(line for line in lines if line and not _USAGE.search(line))
    return printable("; ".join(kept)) or "no answer"


def is_only_now(answer: str) -> bool:
    """Tell whether a refusal of `sbatch --test-only` says no more than that nothing is free."""
    return bool(_NOT_NOW.search(answer))


def refusal(answer: str) -> SettingError:
    """Return sbatch's refusal with the setting to change, as an error of one line."""
    text = said(answer)
    for pattern, remedy in _REFUSALS:
        if re.search(pattern, text, re.IGNORECASE):
            return SettingError(f"SLURM refuses the job: {{}}. Remedy: {remedy}", text)
    return SettingError("SLURM refuses the job: {} ({dry_run}=true shows its script)", text)


def advice(reason: str) -> SettingError | None:
    """Return what to change for a job that waits for this reason; None: it starts by itself."""
    for pattern, remedy in _STUCK:
        if re.search(pattern, reason, re.IGNORECASE):
            return SettingError(remedy)
    return None
