"""What sbatch says when it refuses a job, with the setting that is to be changed."""

from __future__ import annotations

import re

from commons.terminal import one_line
from hpo.settings import SettingError

# What sbatch's message names: the setting to look at. The first that fits is taken.
_SETTINGS = (
    (r"account/partition|account or partition", "account} and {partition"),
    (r"account|association", "account"),
    (r"partition", "partition"),
    (r"qos", "qos"),
    (r"time limit|timelimit", "timeout_min"),
    (r"reservation", "reservation"),
    (r"constraint|feature", "constraint"),
    (r"memory", "mem_gb"),
    (r"gres|gpu|tres", "gpus_per_node"),
    (r"array", "array_parallelism"),
    (r"cpu|node count|node configuration", "cpus_per_task"),
    (r"dependency", "dependency"),
)


def refusal(text: str) -> SettingError:
    """Return the error of a submission that was refused with this text.

    >>> str(refusal("sbatch: error: invalid partition: a"))
    'SLURM: sbatch: error: invalid partition: a; see partition (dry_run=true shows the job script)'
    """
    lines = [line for line in map(one_line, text.strip().splitlines()) if line]
    said = [line for line in lines if "error" in line.lower()] or lines[-1:] or ["no answer"]
    message = "; ".join(dict.fromkeys(said[-2:]))
    key = next((name for words, name in _SETTINGS if re.search(words, message, re.I)), None)
    where = f"; see {{{key}}}" if key else ""
    return SettingError(f"SLURM: {{}}{where} ({{dry_run}}=true shows the job script)", message)
