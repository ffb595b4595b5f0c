"""How a sweep was typed."""

import pytest

from hpo.attributes import COMMAND
from hpo.reporting.rerun import program, sweep_command


def typed(**changes):
    command = {"module": None, "file": "/w/my app.py", "arguments": ["-m", "x=1,2"], "cwd": "/w"}
    return {COMMAND: {**command, **changes}}


@pytest.mark.parametrize(
    ("attributes", "shown"),
    [
        (typed(), "python 'my app.py'"),
        (typed(cwd="/elsewhere"), "python '/w/my app.py'"),
        (typed(module="mlpf.train", file=None), "python -m mlpf.train"),
        ({}, "python YOUR_APPLICATION.py"),
        ({COMMAND: "text"}, "python YOUR_APPLICATION.py"),
    ],
)
def test_the_program_is_named_as_in_its_folder(attributes, shown):
    assert program(attributes) == shown


def test_the_sweep_is_typed_as_before():
    assert sweep_command(typed()) == "python 'my app.py' -m x=1,2"
    assert sweep_command(typed(arguments=["-m", "x=choice(1, 2)"])).endswith("-m 'x=choice(1, 2)'")
    assert sweep_command({}) is None
