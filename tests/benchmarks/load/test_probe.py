import time

import pytest

from benchmarks.load.probe import Part, Probe, Times, read


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
