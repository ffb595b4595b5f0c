from dataclasses import dataclass

import pytest

from commons.cli import fail, parse


@dataclass
class Settings:
    n: int = 3


def test_arguments_fill_the_settings():
    assert parse(Settings, ["n=5"], "text") == Settings(5)


def test_help_prints_the_text_and_leaves_with_success(capsys):
    with pytest.raises(SystemExit) as left:
        parse(Settings, ["--help"], "what it does")
    assert left.value.code == 0
    assert capsys.readouterr().out == "what it does\n"


@pytest.mark.parametrize("argument", ["m=1", "n=many"])
def test_a_wrong_argument_is_named_in_one_line(argument, capsys):
    with pytest.raises(SystemExit) as left:
        parse(Settings, [argument], "text")
    assert left.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert argument.split("=")[0] in message or "many" in message


def test_fail_leaves_with_an_error_line(capsys):
    with pytest.raises(SystemExit):
        fail("no such thing")
    assert capsys.readouterr().err == "error: no such thing\n"
