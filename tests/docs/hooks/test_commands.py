import subprocess
import sys

import pytest

from docs.hooks import commands
from hpo.__main__ import COMMANDS as HPO
from mlpf.__main__ import COMMANDS as MLPF


@pytest.mark.parametrize("name", MLPF)
def test_the_help_of_a_command_of_hydra_has_its_usage(name):
    shown = commands.hydra_help(name)
    assert f"python -m mlpf.{name}" in shown
    assert "key=value" in shown
    assert "$" not in shown


def test_the_help_of_a_command_of_hydra_is_what_it_prints():
    command = [sys.executable, "-m", "mlpf.convert", "--help"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert commands.hydra_help("convert").strip() == printed.strip()


@pytest.mark.parametrize("name", HPO)
def test_the_help_of_other_commands_is_what_they_print(name):
    assert f"python -m hpo.{name} " in commands.own_help(f"hpo.{name}")


def test_the_page_has_every_command():
    page = commands.text()
    for name in (*(f"mlpf.{name}" for name in MLPF), *(f"hpo.{name}" for name in HPO)):
        assert f"## python -m {name}\n" in page
