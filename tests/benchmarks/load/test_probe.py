import threading
import time

import pytest

from benchmarks.load.probe import Part, Probe, Times, _waits_ns, read, watch_locks
from commons.locks import FileLock


def test_the_time_of_a_process_is_split_by_what_it_does(tmp_path):
    probe = Probe(tmp_path / "one")
    probe.enter("between")
    begin = time.process_time()
    while time.process_time() < begin + 0.05:
        pass
    probe.enter("training")
    time.sleep(0.05)
    probe.enter("between")
    times = read([tmp_path / "one"])
    between, training = times.parts["between"], times.parts["training"]
    assert (between.n, training.n, times.parts["reporting"].n) == (1, 1, 0)
    assert between.cpu_s >= 0.05
    assert training.wall_s >= 0.05
    assert training.cpu_s < 0.04
    assert training.blocked_s > 0.02
    assert times.doing == "between"


def test_a_thread_that_ends_takes_nothing_away(tmp_path, monkeypatch):
    living = [("1", "10"), 5_000_000_000], [("2", "20"), 7_000_000_000]
    monkeypatch.setattr("benchmarks.load.probe._waits_ns", lambda: living)
    probe = Probe(tmp_path / "one")
    probe.enter("between")
    living = [("1", "10"), 6_000_000_000], [("2", "99"), 500_000_000]  # the number comes again
    probe.enter("training")
    living = ([("1", "10"), 6_000_000_000],)
    probe.enter("between")
    parts = read([tmp_path / "one"]).parts
    assert parts["between"].waiting_s == 1.5
    assert parts["training"].waiting_s == 0


def test_the_processor_time_of_an_ended_thread_counts(tmp_path):
    def work():
        begin = time.thread_time()
        while time.thread_time() < begin + 0.05:
            pass

    probe = Probe(tmp_path / "one")
    probe.enter("training")
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    probe.enter("between")
    assert read([tmp_path / "one"]).parts["training"].cpu_s >= 0.05


def test_the_waits_of_living_threads_are_read():
    waits = dict(_waits_ns())
    assert len(waits) >= 1
    assert str(threading.get_native_id()) in {number for number, _ in waits}, waits
    assert all(int(began) > 0 and ns >= 0 for (_, began), ns in waits.items())


def test_the_time_for_which_locks_are_held_is_counted_from_the_begin_of_the_window(
    tmp_path, monkeypatch
):
    for name in ("acquire", "release"):
        monkeypatch.setattr(FileLock, name, getattr(FileLock, name))  # put back at the end
    begin_s = float("inf")
    probe = Probe(tmp_path / "one", lambda: begin_s)
    watch_locks(probe)
    with FileLock(tmp_path / "early"):
        pass
    begin_s = time.monotonic()
    with FileLock(tmp_path / "outer"), FileLock(tmp_path / "inner"):
        time.sleep(0.02)
    probe.enter("between")
    locked = read([tmp_path / "one"]).parts["locked"]
    assert locked.n == 2
    assert locked.wall_s >= 0.04
    assert locked.blocked_s > 0.02


def test_what_is_blocked_is_the_rest_and_never_negative():
    assert Part(1, wall_s=1.0, cpu_s=0.25, waiting_s=0.5).blocked_s == pytest.approx(0.25)
    assert Part(1, wall_s=1.0, cpu_s=0.75, waiting_s=0.5).blocked_s == 0


def test_of_a_window_only_the_part_of_a_training_counts(tmp_path):
    begin_s = float("inf")
    probe = Probe(tmp_path / "one", lambda: begin_s)
    probe.enter("training")
    probe.enter("reporting")
    begin_s = time.monotonic()
    probe.enter("training")  # the report began before the window
    time.sleep(0.02)
    probe.enter("reporting")
    parts = read([tmp_path / "one"]).parts
    assert parts["reporting"] == Part()
    assert parts["training"].wall_s >= 0.02


def test_a_training_counts_to_the_end_of_the_window_although_it_is_not_over(tmp_path):
    file = tmp_path / "one"
    file.write_bytes(Times(doing="training", since_s=10.0).pack())
    assert read([file], begin_s=12.0, end_s=15.0).parts["training"].wall_s == 3.0
    assert read([file], begin_s=2.0, end_s=15.0).parts["training"].wall_s == 5.0


def test_workers_are_added_and_a_file_in_the_making_counts_nothing(tmp_path):
    for name, n in (("a", 2), ("b", 3)):
        times = Times()
        times.parts["reporting"] = Part(n, 1.0, 0.5, 0.25)
        (tmp_path / name).write_bytes(times.pack())
    (tmp_path / "c").touch()
    assert read(tmp_path.iterdir()).parts["reporting"] == Part(5, 2.0, 1.0, 0.5)
