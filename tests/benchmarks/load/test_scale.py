import io
import json
import os
import time

import pytest

from benchmarks.load import latency, light, sweep
from benchmarks.load.gate import GatedASHA
from benchmarks.load.latency import slow_down
from benchmarks.load.probe import Part, Times
from benchmarks.load.scale import Each, Shares, main, merged
from benchmarks.load.servers import Served
from benchmarks.load.storage import Cell, limits
from benchmarks.load.sweep import Size
from hpo.storage.journal import JournalFile


def times(between, reporting, training_s):
    parts = {"between": between, "reporting": reporting, "training": Part(9, training_s)}
    return Times(parts)


def test_the_share_is_told_with_and_without_what_a_worker_waits_for_a_core():
    shares = Shares.of(times(Part(3, 6.0, 1.0, 3.0), Part(9, 4.0, 1.0, 1.0), 90.0))
    assert shares.outside == pytest.approx(10 / 100)
    assert shares.own_core == pytest.approx(6 / 96)
    assert shares.cpu == pytest.approx(2 / 92)
    longer = Shares.of(times(Part(3, 6.0, 1.0, 3.0), Part(9, 4.0, 1.0, 1.0), 90.0), total_s=120.0)
    assert longer.outside == pytest.approx(30 / 120)  # waits that are not over
    assert longer.own_core == shares.own_core


def test_one_report_is_told_in_milliseconds():
    assert Each.of(Part(4, 1.0, 0.2, 0.4)) == Each(4, 250.0, 50.0, 100.0, 100.0)
    assert Each.of(Part()) == Each(0, 0, 0, 0, 0)


def test_a_new_row_replaces_the_one_of_the_same_settings():
    one = {"launcher": "local", "kind": "grpc", "workers": 8, "epoch_s": 2.0, "delay_ms": 0.0}
    other = one | {"workers": 96}
    rows = merged(merged([], other | {"date": "a"}), one)
    assert [row["workers"] for row in rows] == [8, 96]
    assert merged(rows, other | {"date": "b"}) == [one, other | {"date": "b"}]


def test_light_workers_report_to_one_study(tmp_path):
    run = light.run("journal", tmp_path, Size(3, 3, 0.05), 0.6, 0.0)
    parts = run.times.parts
    assert 0 < parts["training"].wall_s <= 3 * 0.6 + 1e-6
    locked = parts.pop("locked")
    assert sum(part.wall_s for part in parts.values()) <= 3 * 0.6 + 1e-6
    assert locked.n > 0
    assert 0 < locked.wall_s < parts["reporting"].wall_s + parts["between"].wall_s
    assert parts["reporting"].n > 0
    assert parts["between"].n > 0
    assert run.more["memory_mb"] > 0


def test_a_delay_is_for_the_file_system_of_light_workers_only(capsys, tmp_path):
    assert main(["delay_ms=[5]", f"out={tmp_path / 'scale.json'}"]) == 2
    assert "delay_ms is for launcher=light" in capsys.readouterr().err


def test_an_append_to_a_distant_journal_waits_for_four_answers(tmp_path, monkeypatch):
    for module, names in ((os, ("open", "fsync", "unlink")), (io, ("open",))):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name))  # put back at the end
    monkeypatch.setattr("hpo.storage.journal.is_of_one_host", lambda _: True)
    journal, waits = JournalFile(tmp_path / "study.log"), []
    monkeypatch.setattr(time, "sleep", waits.append)
    slow_down(tmp_path / "study.log", 0.25, lambda: 0.0)
    journal.append_logs([{"op_code": 1, "worker_id": "w", "study_id": 0}])
    assert waits == [0.25] * 4
    assert len(list(journal.read_logs(0))) == 1
    assert waits == [0.25] * 5


def test_appends_are_counted_with_and_without_a_proxy(tmp_path, capsys):
    out = tmp_path / "latency.json"
    assert latency.main(["delay_ms=[5]", "workers=[2]", "window_s=0.3", f"out={out}"]) == 0
    (row,) = json.loads(out.read_text())["rows"]
    assert row["file_per_s"] > 0
    assert row["proxy_per_s"] > 0
    assert f"written to {out}" in capsys.readouterr().out


def cell(kind, n_workers, achieved, p99_ms):
    offered = n_workers / 2
    return Cell(kind, n_workers, offered, achieved * offered, 1, p99_ms, 200, 1, 0, 0)


def test_a_storage_is_saturated_if_reports_are_slow_or_missing():
    cells = [
        cell("a", 8, 1.0, 10),
        cell("a", 32, 1.0, 101),
        cell("b", 8, 1.0, 10),
        cell("b", 32, 0.94, 10),
        cell("c", 8, 1.0, 100),
    ]
    assert limits(cells, epoch_s=2.0) == {"a": 32, "b": 32, "c": None}


def test_a_row_that_cannot_be_measured_says_so_and_the_next_ones_are(
    tmp_path, capsys, monkeypatch
):
    real = light.run

    def run(kind, *arguments):
        if kind == "grpc":
            raise RuntimeError("2 of 3 workers have begun within 180 s\nmore")
        return real(kind, *arguments)

    monkeypatch.setattr(light, "run", run)
    out = tmp_path / "scale.json"
    settings = ["launcher=light", "workers=[2]", "epoch_s=0.05", "epochs=3", "window_s=0.3"]
    assert main([*settings, "kinds=[grpc,journal]", f"out={out}"]) == 0
    given_up, measured = json.loads(out.read_text())["rows"]
    assert given_up["given_up"].startswith("2 of 3 workers have begun within 180 s")
    assert "shares" not in given_up
    assert measured["kind"] == "journal"
    assert measured["shares"]["outside"] > 0
    told = capsys.readouterr().out
    assert "... light, grpc, 2 workers, + 0 ms" in told
    assert "given up: 2 of 3 workers" in told
    assert "| light | journal | 2 | 0.05 s | 0 ms | " in told


def test_a_sweep_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "_LIMIT_S", 0.5)
    served = Served("journal")
    with pytest.raises(RuntimeError, match="not over after 0 s"):
        sweep._wait(["sleep", "60"], tmp_path, dict(os.environ), served)


def test_a_sweep_that_fails_is_told_by_its_last_error(tmp_path):
    command = ["sh", "-c", "echo TimeoutError: 2 of 3 were ready; echo bye; exit 1"]
    with pytest.raises(RuntimeError, match="the sweep failed: TimeoutError: 2 of 3 were ready"):
        sweep._wait(command, tmp_path, dict(os.environ), Served("journal"))


def test_workers_that_are_not_ready_at_the_gate_fail(tmp_path):
    with pytest.raises(TimeoutError, match="1 of 2 workers were ready within 0 s"):
        GatedASHA(str(tmp_path), 2, 0.0, 0.0, starter=0)
