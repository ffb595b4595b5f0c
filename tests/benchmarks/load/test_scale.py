import pytest

from benchmarks.load.scale import shares
from benchmarks.load.storage import Cell, limits


def record(start, worked_until, end, busy_s, reporting_s):
    return {
        "start_up_s": 3.0,
        "start": start,
        "worked_until": worked_until,
        "end": end,
        "busy_s": busy_s,
        "reporting_s": reporting_s,
    }


def test_the_time_of_the_workers_is_split_without_rest():
    split = shares([record(0, 10, 11, 9, 0.5), record(1, 20, 20, 18, 0.5)])
    assert split.start_up == 6
    assert split.between == 29 - 27
    assert split.reporting == 1
    assert split.training == 26
    assert split.tail == 1
    assert split.waiting == 9
    assert split.between + split.reporting + split.training + split.tail == 11 + 19
    assert split.outside == pytest.approx(4 / 30)


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
