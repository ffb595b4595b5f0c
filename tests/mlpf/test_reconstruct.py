"""The command: exit codes and lines."""

import sys

import numpy as np
import pytest

from mlpf import MLPF, write_events
from mlpf.command import run_command
from mlpf.network.weights import Weights, write_weights
from mlpf.reconstruct import main
from tests.mlpf.reconstruction.conftest import SMALL, some_events


@pytest.fixture
def reconstruct(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    weights = Weights.of(MLPF(**SMALL), {"_target_": "mlpf.MLPF"} | SMALL, {})
    write_weights(weights, tmp_path / "small.npz")
    events = some_events(5, 6)
    write_events(events, tmp_path / "good.parquet")
    events.x[2, 5] = np.inf
    write_events(events, tmp_path / "bad.parquet")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["mlpf.reconstruct", *arguments])
        try:
            return run_command(main, "reconstruct")
        except SystemExit as end:
            return end.code

    return run


def test_events_become_particles(reconstruct, tmp_path, capfd):
    given = ("model=small.npz", "events=good.parquet", "out=found.parquet")
    assert reconstruct(*given) == 0
    assert "2 events, " in capfd.readouterr().err
    assert (tmp_path / "found.parquet").exists()
    assert reconstruct(*given) == 2
    assert "exists already; overwrite=true replaces it" in capfd.readouterr().err
    assert reconstruct(*given, "overwrite=true") == 0


def test_a_broken_event_is_a_failure_but_the_others_are_written(reconstruct, tmp_path, capfd):
    assert (
        reconstruct("model=small.npz", "events=[bad.parquet,good.parquet]", "out=found.root") == 1
    )
    shown = capfd.readouterr().err
    assert "3 events, " in shown
    assert "bad.parquet: event 0, element 2: x_energy is inf" in shown
    assert (tmp_path / "found.root").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["events=good.parquet", "out=a.parquet"], "give run=DIR or model=FILE"),
        (
            ["model=small.npz", "events=none.parquet", "out=a.parquet"],
            "none.parquet: no such file",
        ),
        (["model=small.npz", "events=good.parquet"], "out=FILE is needed"),
        (["model=small.npz", "event=good.parquet", "out=a"], "did you mean events?"),
    ],
)
def test_a_wrong_argument_is_one_line(reconstruct, capfd, arguments, text):
    assert reconstruct(*arguments) == 2
    [line] = capfd.readouterr().err.strip().splitlines()
    assert text in line
