import json

import numpy as np
import pytest

from benchmarks.reproduce.traces import mean_on, read_reports, read_trace


def sweep(folder, reports, seconds, epochs):
    """Write what a sweep leaves: reports of (trial, epoch, value), seconds of each trial."""
    lines = [{"op_code": 4, "study_id": 0}]
    keys = ("trial_id", "step", "intermediate_value")
    lines += [{"op_code": 7, **dict(zip(keys, each, strict=True))} for each in reports]
    folder.mkdir(exist_ok=True)
    (folder / "journal.log").write_text("\n".join(map(json.dumps, lines)) + "\n")
    rows = [f"{number},{s}" for number, s in enumerate(seconds)]
    (folder / "trials.csv").write_text("\n".join(["number,seconds", *rows]))
    for trial, of_epochs in enumerate(epochs):
        place = folder / "trials" / f"{trial:04d}"
        place.mkdir(parents=True)
        rows = [f"{i},{s}" for i, s in enumerate(of_epochs, 1)]
        (place / "metrics.csv").write_text("\n".join(["epoch,seconds", *rows]))


def test_a_trace_follows_the_order_of_the_reports_of_paused_trials(tmp_path):
    reports = [(0, 1, 5.0), (1, 1, 7.0), (0, 2, 3.0), (1, 2, 4.0)]
    sweep(tmp_path, reports, [6.0, 2.0], [[1, 2], [1, 1]])
    trace = read_trace(tmp_path)
    assert trace.best.tolist() == [5, 5, 3, 3]
    # Trial 0 took 6 s in all, of which its second epoch has two thirds.
    assert trace.seconds.tolist() == [2, 3, 7, 8]


def test_a_value_that_is_not_finite_is_no_best_one_and_a_repeated_epoch_counts_once(tmp_path):
    nan = float("nan")
    sweep(tmp_path, [(0, 1, nan), (0, 2, 2.0), (0, 2, 1.0)], [2.0], [[1, 1]])
    trace = read_trace(tmp_path)
    assert trace.best.tolist() == [np.inf, 2.0]
    assert [value for _, _, value in read_reports(tmp_path / "journal.log")][1:] == [2.0]


def test_a_sweep_without_reports_is_refused(tmp_path):
    sweep(tmp_path, [], [], [])
    with pytest.raises(ValueError, match=r"journal\.log: no trial has reported"):
        read_trace(tmp_path)


def test_a_mean_is_none_before_all_have_begun_and_after_one_has_ended():
    at = [np.array([1.0, 2.0]), np.array([2.0, 3.0])]
    best = [np.array([4.0, 2.0]), np.array([6.0, 1.0])]
    assert mean_on(np.array([1.0, 2.0, 3.0]), at, best) == [None, 4.0, None]
