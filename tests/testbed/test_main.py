import pytest

from testbed.__main__ import main


def test_help_shows_both_actions(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert "testbed up" in printed
    assert "testbed down" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["upp"], "upp: no such command; did you mean up?"),
        (["up", "nodez=3"], "nodez: no such key; did you mean nodes?"),
        (["up", "nodes=many"], "nodes=many: expected a whole number"),
    ],
)
def test_a_mistake_is_one_line(arguments, message, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"error: {message} (see --help)\n"


def test_a_folder_without_a_cluster_has_nothing_to_stop(tmp_path, capsys):
    assert main(["down", f"folder={tmp_path}"]) == 0
    assert capsys.readouterr().out == f"No cluster in {tmp_path}.\n"
