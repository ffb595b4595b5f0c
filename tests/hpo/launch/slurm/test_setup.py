"""Set-up lines in a real shell: which one failed, and what is left of the guard."""

import subprocess

import pytest

from hpo.launch.slurm.setup import failures, guarded

# As the environment modules define it: a function that evaluates what a program prints.
MODULE = 'module() { eval "$(echo "[ $2 != nope ]")"; }'


@pytest.fixture
def run(tmp_path):
    """Runs a job script with these set-up lines; returns exit code, output, what failed."""
    folder = tmp_path / "a 'b'"
    folder.mkdir()

    def shell(*lines):
        work = ["false", 'echo "work $-"', "# teardown", "echo down"]
        script = tmp_path / "script"
        script.write_text("\n".join(["#!/bin/bash", "", *guarded(lines, folder), *work]))
        command = ["bash", str(script)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done, [(f.line, f.code, f.command) for f in failures(folder)]

    return shell


@pytest.mark.parametrize(
    ("lines", "line", "code", "command"),
    [
        (["true", MODULE, "module load nope", "echo no"], 3, 1, "module load nope"),
        (["exit 3"], 1, 3, "exit 3"),
        (["a=1", "nonsense-of-a-command x"], 2, 127, "nonsense-of-a-command x"),
        (["if true; then", "false", "fi"], 2, 1, "false"),
        (["set -u", 'echo "$undefined"'], 2, 1, 'echo "$undefined"'),
        (["false", "false"], 1, 1, "false"),
    ],
)
def test_the_job_ends_at_the_first_line_that_fails_and_names_it(run, lines, line, code, command):
    done, failed = run(*lines)
    assert done.returncode == code
    assert "work" not in done.stdout
    assert f"hpo: setup line {line} ended with code {code}: {command}" in done.stderr
    assert failed == [(line, code, command)]


@pytest.mark.parametrize(
    "lines",
    [
        [MODULE, "module load there"],
        ["false || true", "if false; then echo no; fi"],
        ["case x in", "x) true ;;", "esac"],
    ],
)
def test_the_rest_of_the_script_is_as_without_a_guard(run, lines):
    done, failed = run(*lines)
    assert done.returncode == 0
    assert done.stdout.split("\n") == ["work hB", "down", ""]
    assert (done.stderr, failed) == ("", [])


def test_a_trap_of_the_set_up_lines_stays(run):
    done, _ = run("trap 'echo mine' EXIT")
    assert done.stdout.split() == ["work", "hB", "down", "mine"]


def test_a_signal_during_the_set_up_is_no_failure_of_it(run):
    done, failed = run("exit 143")
    assert done.returncode == 143
    assert failed == []


def test_without_lines_there_is_no_guard(tmp_path):
    assert guarded([], tmp_path) == []


def test_a_report_that_is_still_being_written_is_none_yet(tmp_path):
    (tmp_path / "setup-failed-0").write_text("2 1")
    (tmp_path / "setup-failed-1").write_text("2 1 n0 module load \x1b[2J\n")
    (failed,) = failures(tmp_path)
    said = "line 2 of launcher.setup ended with code 1 on n0: module load \\x1b[2J"
    assert failed.error().naming("launcher.{}".format) == said
