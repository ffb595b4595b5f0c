import json
import time

import pytest

from benchmarks.load import storage
from benchmarks.load.forked import in_child, received, started
from benchmarks.load.storage import main

SHORT = ["warm_up_s=0.2", "window_s=0.4", "epoch_s=0.2", "n_finished=2"]


def test_cells_are_written_one_by_one_and_larger_ones_of_a_hopeless_storage_are_not_tried(
    tmp_path, monkeypatch, capsys
):
    out, written = tmp_path / "storage.json", []
    real = storage.measure

    def measure(kind, n_workers, *arguments):
        written.append(len(json.loads(out.read_text())["cells"]) if out.exists() else 0)
        if kind == "grpc":
            raise RuntimeError("only 1 of 2 workers were ready in time")
        return real(kind, n_workers, *arguments)

    monkeypatch.setattr(storage, "measure", measure)
    monkeypatch.setattr(storage, "_HOPELESS", 9.0)
    arguments = [*SHORT, "kinds=[journal,grpc]", "workers=[1,2]", f"out={out}"]
    assert main(arguments) == 0
    record = json.loads(out.read_text())
    assert [(cell["kind"], cell["n_workers"]) for cell in record["cells"]] == [("journal", 1)]
    assert record["cells"][0]["n_lost"] == 0
    assert record["failed"] == {
        "journal, 2 workers": "1 workers stored less than half of what they offered",
        "grpc, 1 workers": "only 1 of 2 workers were ready in time",
        "grpc, 2 workers": "only 1 of 2 workers were ready in time",
    }
    assert written == [0, 1, 1]
    assert "- grpc, 2 workers: given up: only 1 of 2" in capsys.readouterr().out


def test_a_worker_that_hangs_or_fails_is_told_and_ended():
    def fails():
        raise SystemExit(1)

    hanging = [lambda: time.sleep, lambda: time.sleep(60)]
    with (
        pytest.raises(RuntimeError, match="only 1 of 2 workers were ready in time"),
        started(hanging) as pipes,
    ):
        received(pipes, time.monotonic() + 2.0, "ready")
    with (
        pytest.raises(RuntimeError, match="a worker has failed before it was ready"),
        started([fails]) as pipes,
    ):
        received(pipes, time.monotonic() + 60.0, "ready")


def test_a_function_in_a_child_returns_its_value():
    assert in_child(lambda: 7, time.monotonic() + 60) == 7
