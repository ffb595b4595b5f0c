"""Commands of the pages on the first day at a cluster, as far as they run without one.

tests/docs/test_blocks.py tries all blocks. Here a `text` block after a command has lines of what
that tells: of its cost.
"""

import re
import shlex
import sys
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


def commands():
    """Yield each command of the `bash` blocks, and what it tells."""
    for page in PAGES:
        found = BLOCK.findall(page.read_text())
        for (language, text), (after, told) in zip(found, [*found[1:], ("", "")], strict=True):
            for command in text.splitlines() if language == "bash" else ():
                yield command, told if after == "text" else ""


def shell():
    """Return the text of all `sh` blocks."""
    found = [block for page in PAGES for block in BLOCK.findall(page.read_text())]
    return [text for language, text in found if language == "sh"]


SHOWN = [(command, told) for command, told in commands() if told]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty folder on a machine without SLURM."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("SBATCH_ACCOUNT", raising=False)
    return tmp_path


def test_a_dry_run_tells_what_is_shown_and_leaves_nothing(elsewhere, monkeypatch, capsys):
    command, told = SHOWN[0]
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


@pytest.mark.parametrize(("command", "told"), SHOWN)
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


def test_the_workers_that_join_compose():
    scripts = "\n".join(shell())
    (worker,) = re.findall(r"-m mlpf\.train -m \\\n\s*(.*?)'\n", scripts)
    with initialize_config_dir(config_dir(), version_base="1.3"):
        config = compose("train", shlex.split(worker), return_hydra_config=True)
    assert config.hydra.sweeper.join
