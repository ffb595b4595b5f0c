from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from commons.cli import Failure, UsageError, choose, dispatch, parse, run_command


@dataclass
class Settings:
    storage: str
    folder: Path | None = None
    n: int = 3
    rate: float | None = None
    mend: bool = True
    names: list[str] | None = None
    pruner: dict[str, Any] | None = None


def work(settings: Settings) -> None:
    if settings.storage == "usage":
        raise UsageError("storage=usage: no")
    raise {"failure": Failure("failed"), "value": ValueError("failed"), "os": OSError(28, "full")}[
        settings.storage
    ]


def test_arguments_fill_the_settings():
    arguments = ["storage=a=b", "folder=x/y", "n=5", "rate=1e-3", "mend=false", "names=[a,b]"]
    expected = Settings("a=b", Path("x/y"), 5, 0.001, mend=False, names=["a", "b"])
    assert parse(Settings, arguments) == expected


@pytest.mark.parametrize("text", ["20261126", "1e3", "true", "null", "{a}", "${b}", "[x"])
def test_a_text_is_taken_as_it_is(text):
    assert parse(Settings, [f"storage={text}"]).storage == text


def test_a_mapping_is_given_whole_or_key_by_key_and_keeps_its_interpolations():
    node = {"_target_": "a.B", "n": "${epochs}"}
    apart = ["storage=x", "pruner._target_=a.B", "pruner.n=${epochs}"]
    assert parse(Settings, apart).pruner == node
    assert parse(Settings, ["storage=x", "pruner={_target_: a.B, n: '${epochs}'}"]).pruner == node


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["storagee=x"], "storagee: no such key; did you mean storage? (see --help)"),
        (["storage=x", "nonsense=1"], "nonsense: no such key (see --help)"),
        (["storage=x", "n.m=1"], "n.m: no such key (see --help)"),
        (["storage=x", "report"], "report: expected key=value (see --help)"),
        (["storage=x", "n=many"], "n=many: expected a whole number (see --help)"),
        (["storage=x", "n=1.5"], "n=1.5: expected a whole number (see --help)"),
        (["storage=x", "rate=fast"], "rate=fast: expected a number (see --help)"),
        (["storage=x", "mend=maybe"], "mend=maybe: expected true or false (see --help)"),
        (["storage=x", "names=[a"], "names=[a: expected a list such as [a,b] (see --help)"),
        (["n=4"], "storage=... is missing (see --help)"),
        (["storage="], "storage=... is missing (see --help)"),
    ],
)
def test_a_wrong_argument_is_one_line_that_names_the_key(arguments, message, capsys):
    assert run_command(work, Settings, arguments, "text") == 2
    assert capsys.readouterr() == ("", f"error: {message}\n")


@pytest.mark.parametrize("arguments", [["--help"], ["storage=x", "-h"]])
def test_help_prints_the_text_and_is_a_success(arguments, capsys):
    assert run_command(work, Settings, arguments, "\nwhat it does\n") == 0
    assert capsys.readouterr() == ("what it does\n", "")


def test_no_arguments_where_one_is_required_print_the_text(capsys):
    assert run_command(work, Settings, [], "what it does") == 2
    assert capsys.readouterr().out == "what it does\n"


@pytest.mark.parametrize(
    ("storage", "code", "line"),
    [
        ("usage", 2, "error: storage=usage: no\n"),
        ("failure", 1, "error: failed\n"),
        ("value", 1, "error: failed\n"),
        ("os", 1, "error: [Errno 28] full\n"),
    ],
)
def test_what_goes_wrong_is_one_line_and_an_exit_code(storage, code, line, capsys):
    assert run_command(work, Settings, [f"storage={storage}"], "text") == code
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ((), "interrupted\n"),
        (("the same command resumes",), "interrupted; the same command resumes\n"),
    ],
)
def test_an_interruption_has_its_own_exit_code(reason, line, capsys):
    def interrupt(_: Settings) -> int:
        raise KeyboardInterrupt(*reason)

    assert run_command(interrupt, Settings, ["storage=x"], "text") == 130
    assert capsys.readouterr().err == line


def test_the_exit_code_of_the_work_is_that_of_the_command():
    assert run_command(lambda _: 3, Settings, ["storage=x"], "text") == 3
    assert run_command(lambda _: None, Settings, ["storage=x"], "text") == 0


def test_a_traceback_is_shown_on_request(monkeypatch, capsys):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    assert run_command(work, Settings, ["storage=failure"], "text") == 1
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback")
    assert printed.endswith("\nerror: failed\n")


def test_a_mistake_of_ours_keeps_its_traceback():
    with pytest.raises(KeyError):
        run_command(work, Settings, ["storage=other"], "text")


def test_a_choice_is_one_of_the_known_ones():
    choose("scale", "small", ["small", "large"])
    message = "scale=smalll: expected one of small, large; did you mean small\\?"
    with pytest.raises(UsageError, match=message):
        choose("scale", "smalll", ["small", "large"])


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["--help"], 0)])
def test_a_command_with_subcommands_explains_itself(arguments, code, capsys):
    assert dispatch({"up": lambda rest: 0}, arguments, "up or down") == code
    assert capsys.readouterr().out == "up or down\n"


def test_a_subcommand_gets_the_other_arguments_and_its_code_is_the_exit_code():
    assert dispatch({"count": len}, ["count", "a", "b"], "text") == 2


def test_an_unknown_subcommand_is_one_line(capsys):
    assert dispatch({"down": len}, ["dawn"], "text") == 2
    assert capsys.readouterr().err == (
        "error: dawn: no such command; did you mean down? (see --help)\n"
    )


def test_a_package_that_is_missing_is_told_with_the_extra_of_what_needs_it(capsys):
    names = {"__name__": "qsvr.forecasting"}  # several extras have scipy
    exec("def load(_): raise ModuleNotFoundError('no scipy', name='scipy')", names)
    assert run_command(names["load"], Settings, ["storage=x"], "") == 1
    assert capsys.readouterr().err == "error: no scipy; pip install 'mlpf-hpo[qsvr]'\n"
