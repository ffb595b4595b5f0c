"""Names of options of sbatch and srun: what a name may look like, and which ones are ours.

submitit writes a name as it is into the job script, so a blank or line break in it would become a
line of that script.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from hpo.settings import SettingError
from hpo.storage.passwords import is_secret_name

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_ARGUMENT = re.compile(r"(?:-[A-Za-z]|--[a-z][a-z0-9-]*(?:=|$))")
_ASSIGNMENT = re.compile(r"(?:^|[\s;&])(\w+)=[\"']?[^\s$`\"';]")
_VALUE = re.compile(r"[^-]|-\d")

# The long names of sbatch's single letters.
_LETTERS = dict(
    re.findall(
        r"(\w)=(\S+)",
        "A=account B=extra-node-info C=constraint D=chdir F=nodefile G=gpus H=hold J=job-name "
        "L=licenses M=clusters N=nodes O=overcommit S=core-spec W=wait a=array b=begin "
        "c=cpus-per-task d=dependency e=error i=input k=no-kill m=distribution n=ntasks o=output "
        "p=partition q=qos s=oversubscribe t=time w=nodelist x=exclude",
    )
)

# What we set: the setting that decides it, or why it cannot be chosen.
_SETTINGS = {
    "account": "{account}",
    "comment": "{comment}",
    "constraint": "{constraint}",
    "cpus-per-task": "{cpus_per_task}",
    "dependency": "{dependency}",
    "exclude": "{exclude}",
    "job-name": "{name}",
    "no-requeue": "{requeue}=false",
    "nodelist": "{nodelist}",
    "nodes": "{gpus_per_trial} and {gpus_per_node}",
    "ntasks": "{tasks_per_node}",
    "ntasks-per-node": "{tasks_per_node}",
    "partition": "{partition}",
    "qos": "{qos}",
    "requeue": "{requeue}=true",
    "reservation": "{reservation}",
    "signal": "{signal_delay_s}",
    "time": "{timeout_min}",
}
_FIXED = {
    "array": "the workers are the elements of the array ({array_parallelism} limits how many run)",
    "clusters": "the jobs must be in the queue of this cluster, where they are watched",
    "error": "the output goes into the folder of the launch",
    "help": "it submits nothing",
    "input": "workers read no input",
    "open-mode": "the output is appended to",
    "output": "the output goes into the folder of the launch",
    "parsable": "it changes what sbatch prints",
    "quiet": "it changes what sbatch prints",
    "test-only": "it submits nothing; {check}=true tries the site",
    "usage": "it submits nothing",
    "version": "it submits nothing",
    "wait": "sbatch would not return; the command watches the jobs itself",
    "wrap": "the job script is ours; shell lines belong into {setup} and {teardown}",
}
_SRUN = {"output", "o", "error", "e", "input", "i", "multi-prog", "ntasks", "n", "nodes", "N"}


def check_text(key: str, text: str) -> None:
    """Refuse control characters, which could begin a new line of the job script.

    Raises:
        SettingError: there is one; names the setting `key`.
    """
    if _CONTROL.search(text):
        raise SettingError(
            f"{{{key}}}: a line break is not allowed, nor another control character; got {{!r}}",
            text,
        )


def check_no_secret(key: str, line: str) -> None:
    """Refuse a line of the shell that sets a secret: the job script is a file.

    Raises:
        SettingError: there is one; names the setting `key` and the variable.
    """
    for name in _ASSIGNMENT.findall(line):
        if is_secret_name(name):
            rule = "would stand in the job script; export it in your own shell, jobs inherit it"
            raise SettingError(f"{{{key}}}: the value of {{}} {rule}", name)


def sbatch_options(given: Mapping[Any, Any]) -> dict[str, Any]:
    """Return further options of sbatch by their long names, without those that are null or false.

    Raises:
        SettingError: a name is not one of an option, or the option is set by another setting.
    """
    named = {_long_name(name): value for name, value in given.items()}
    return {
        name: value for name, value in named.items() if value is not None and value is not False
    }


def _long_name(given: Any) -> str:
    name: str = _LETTERS.get(str(given), str(given).replace("_", "-"))
    if not _NAME.fullmatch(name) or len(name) == 1:
        raise SettingError(
            "{sbatch}: {!r} is not the name of an option; names are lower-case letters, digits "
            "and hyphens (sbatch --help)",
            given,
        )
    if name in _SETTINGS:
        raise SettingError(f"{{sbatch}}: '{{}}' is set by {_SETTINGS[name]}", name)
    if name in _FIXED:
        raise SettingError(f"{{sbatch}}: '{{}}' cannot be set: {_FIXED[name]}", name)
    return name


def check_srun(arguments: Iterable[str]) -> None:
    """Refuse arguments of srun that are not options, or would take the workers' place or output.

    Raises:
        SettingError: there is one; names it.
    """
    before = ""
    for argument in arguments:
        check_text("srun_args", argument)
        is_value = before.startswith("-") and "=" not in before and _VALUE.match(argument)
        if not (_ARGUMENT.match(argument) or is_value):
            raise SettingError("{srun_args}: {!r} is not an option (srun --help)", argument)
        name = argument.lstrip("-").partition("=")[0]
        if argument.startswith("-") and (name in _SRUN or argument[:2] in ("-o", "-e", "-i")):
            raise SettingError("{srun_args}: {!r} is ours: tasks and output of workers", argument)
        before = argument
