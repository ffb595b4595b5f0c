"""Commands of the pages on the first day at a cluster, as far as they run without one.

A `bash` block holds commands of ours; a `text` block after it has lines of what they tell. A `sh`
block is for the cluster alone.
"""

import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from hpo.launch.slurm.cost import at_most
from hpo.launch.slurm.options import SlurmOptions
from hpo.launch.slurm.site import job_script
from mlpf.command import run_command
from mlpf.config import config_dir
from mlpf.train import main

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs/howto").glob("first_day*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SWEEP = "python -m mlpf.train -m "


def commands():
    """Yield the page, each command of its `bash` blocks, and what it tells."""
    for page in PAGES:
        found = BLOCK.findall(page.read_text())
        for (language, text), (after, told) in zip(found, [*found[1:], ("", "")], strict=True):
            for command in text.splitlines() if language == "bash" else ():
                yield page.stem, command, told if after == "text" else ""


def shell():
    """Return the text of all `sh` blocks."""
    found = [block for page in PAGES for block in BLOCK.findall(page.read_text())]
    return [text for language, text in found if language == "sh"]


SWEEPS = [(command, told) for _, command, told in commands() if command.startswith(SWEEP)]
OTHERS = [command for _, command, _ in commands() if not command.startswith(SWEEP)]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty folder on a machine without SLURM."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("SBATCH_ACCOUNT", raising=False)
    return tmp_path


def test_a_dry_run_tells_what_is_shown_and_leaves_nothing(elsewhere, monkeypatch, capsys):
    command, told = next((command, told) for command, told in SWEEPS if told)
    quick = ["hydra.sweeper.preflight=null"]  # tests/mlpf/test_command.py tries it
    monkeypatch.setattr(sys, "argv", ["train.py", *shlex.split(command)[3:], *quick])
    try:
        code = run_command(main, "train")
    except SystemExit as error:
        code = error.code
    shown = capsys.readouterr()
    assert not code, shown.err
    assert shown.out.startswith("#!/bin/bash")
    for line in told.splitlines():
        assert line in shown.err
    assert not any(elsewhere.iterdir())


@pytest.mark.parametrize(("command", "told"), SWEEPS)
def test_a_command_that_submits_has_a_job_script_and_a_cost(command, told, elsewhere):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        config = compose("train", shlex.split(command)[4:], return_hydra_config=True)
    chosen = OmegaConf.to_container(config.hydra.launcher, resolve=True)
    options = SlurmOptions(**{k: v for k, v in chosen.items() if not k.startswith("_")})
    n_workers = OmegaConf.select(config, "hpo.n_workers") or 1
    script = job_script(options, n_workers, elsewhere)
    for asked in re.findall(r"launcher\.(account|partition)=(\w[\w-]*)", command):
        assert f"#SBATCH --{asked[0]}={asked[1]}\n" in script
    for line in options.setup:
        assert f"\n{line}\n" in script
    for line in told.splitlines()[:1]:
        assert line.startswith(f"cost: {at_most(options, n_workers)}")


@pytest.mark.parametrize("command", OTHERS)
def test_a_command_on_a_study_is_one_of_hpo_and_knows_its_keys(command):
    program, name, *arguments = shlex.split(command)
    assert program == "hpo"
    place = f"hpo.{name}.__main__" if (ROOT / "hpo" / name).is_dir() else f"hpo.{name}"
    usage = import_module(place).USAGE
    for key in (argument.partition("=")[0] for argument in arguments if "=" in argument):
        assert re.search(rf"^{key} ", usage, re.MULTILINE)


def test_lines_for_the_cluster_are_shell_and_their_workers_compose():
    scripts = "\n".join(shell())
    subprocess.run(["bash", "-n"], input=scripts, text=True, check=True)
    (worker,) = re.findall(r"-m mlpf\.train -m \\\n\s*(.*?)'\n", scripts)
    with initialize_config_dir(config_dir(), version_base="1.3"):
        config = compose("train", shlex.split(worker), return_hydra_config=True)
    assert config.hydra.sweeper.join
