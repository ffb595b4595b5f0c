"""The command, on a network with random weights."""

import json

import pytest

from mlpf.config import ConfigError
from mlpf.evaluate import run
from tests.mlpf.evaluation.runs import compose_evaluate, make_run


@pytest.fixture(scope="module")
def run_folder(compose_tiny, tmp_path_factory):
    return make_run(compose_tiny(), tmp_path_factory.mktemp("runs") / "one")


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """They take seconds, and have tests of their own."""
    monkeypatch.setattr("mlpf.evaluation.page.draw_plots", lambda *_: [])


def test_the_command_writes_figures_and_ends_with_eight_lines(run_folder, tmp_path, capsys):
    run(compose_evaluate(f"run={run_folder}", f"out={tmp_path}", "events=1", "n_draws=3"))
    content = json.loads((tmp_path / "evaluation.json").read_text())
    assert content["settings"]["n_events"] == 8
    names = {path.name for path in tmp_path.iterdir()}
    assert {"table.md", "evaluation.html", "event_1.png", "evaluation.yaml"} <= names
    heading, *lines, last = capsys.readouterr().err.splitlines()
    assert "MLPF - rules" in heading
    assert [line.partition("  ")[0] for line in lines][:1] == ["tower accuracy"]
    assert last == f"8 events; files in {tmp_path}"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["run=nowhere"], "out=DIR is needed"),
        (["run=nowhere", "out=x"], r"run=nowhere: no config\.yaml"),
        (["run=nowhere", "out=x", "events=-1"], "events must be an integer >= 0, got -1"),
        (["run=nowhere", "out=x", "device=tpu"], "device must be cpu, cuda or auto, got tpu"),
        (["run=nowhere", "out=x", "speed=fast"], "speed must be none, event or scan, got fast"),
    ],
)
def test_a_mistake_is_one_line(overrides, message):
    with pytest.raises(ConfigError, match=message):
        run(compose_evaluate(*overrides))


def test_a_folder_that_cannot_be_made_is_told_before_the_work(run_folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"out=\S+/file: File exists"):
        run(compose_evaluate(f"run={run_folder}", f"out={tmp_path}/file", "events=0", "n_draws=0"))
