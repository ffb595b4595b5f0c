"""The command `hpo`: its subcommands are those of `python -m hpo.report` and so on."""

import subprocess
import sys

import pytest


def hpo(*arguments):
    command = [sys.executable, "-m", "hpo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["--help"], 0)])
def test_the_subcommands_are_listed(arguments, code):
    result = hpo(*arguments)
    assert result.returncode == code
    assert all(
        name in result.stdout for name in ("report", "dashboard", "doctor", "worker", "simulate")
    )


def test_a_subcommand_is_the_module_of_its_name():
    module = subprocess.run(
        [sys.executable, "-m", "hpo.report", "--help"], capture_output=True, text=True, check=True
    )
    assert hpo("report", "--help").stdout == module.stdout


def test_a_mistake_in_a_subcommand_keeps_its_exit_code():
    result = hpo("doctor", "storage=nowhere")
    assert result.returncode == 2
    assert result.stderr == "error: storage=nowhere: no such journal file\n"


def test_a_misspelled_subcommand_is_one_line():
    result = hpo("reports")
    assert result.returncode == 2
    message = "error: reports: no such command; did you mean report? (see --help)\n"
    assert (result.stdout, result.stderr) == ("", message)
