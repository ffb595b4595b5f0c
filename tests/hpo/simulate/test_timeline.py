import numpy as np
import pytest

from hpo.simulate.timeline import Recorder, make_timeline, spent_until


def test_spent_seconds_are_those_before_a_moment():
    intervals = [(2.0, 5.0), (0.0, 10.0), (4.0, 4.0)]
    times = np.array([0.0, 3.0, 5.0, 20.0])
    assert spent_until(intervals, times).tolist() == [0, 4, 8, 13]
    assert spent_until([], times).tolist() == [0] * 4


def test_the_end_of_the_sweep_cuts_what_goes_on():
    recorder = Recorder(present=[(0, 8), (2, 30)], queued=[(0, 2), (9, 30)])
    recorder.trained, recorder.unfinished = [(1, 5), (3, 9)], [(9, 30), (12, 30)]
    timeline = make_timeline(recorder, 2, 10.0)
    assert timeline.worker_s == {
        "present": 16,
        "trained": 10,
        "lost": 0,
        "unfinished": 1,
        "queued": 3,
        "other": 5,
    }
    assert timeline.utilization == 10 / 16
    assert np.sum(timeline.busy) / 50 * 2 * 10 == pytest.approx(10)
    assert timeline.busy[0] == 0
    assert timeline.busy[20] == pytest.approx(1)


def test_only_falls_of_the_best_loss_are_kept():
    recorder = Recorder(
        present=[(0, 10), (5, 10)], results=[(2, 3.0), (4, 3.0), (6, 5.0), (8, 1.0)]
    )
    timeline = make_timeline(recorder, 2, 10.0)
    assert timeline.best == ((2, 2, 3), (8, 11, 1))
    assert timeline.reached(3) == (2, 2)
    assert timeline.reached(2) == (8, 11)
    assert timeline.reached(0) is None


def test_a_sweep_without_time_has_no_utilization():
    timeline = make_timeline(Recorder(), 4, 0.0)
    assert timeline.utilization == 0
    assert timeline.busy == (0.0,) * 50
