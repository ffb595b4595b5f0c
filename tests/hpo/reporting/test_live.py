import logging

import optuna
import pytest

from hpo.reporting import live
from hpo.reporting.live import Progress


@pytest.fixture
def progress(study):
    """Makes a display of the study that looks at it only when it is told to."""
    return lambda **options: Progress(study._storage, study._study_id, every_s=1e9, **options)


def lines(caplog):
    return [record.getMessage() for record in caplog.records if record.name == live.__name__]


def test_without_a_terminal_the_table_is_printed_at_the_end(progress, capsys):
    with progress(live=True):
        assert capsys.readouterr().out == ""
    printed = capsys.readouterr().out
    assert "6 of 6 finished" in printed
    assert printed.count("study s") == 1


def test_a_line_is_logged_when_something_has_changed_and_not_too_often(
    progress, study, caplog, monkeypatch
):
    caplog.set_level(logging.INFO, live.__name__)
    now = [0.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    shown = progress(live=False, status=lambda: "2 jobs")
    for now[0] in (20.0, 40.0, 60.0):
        shown._show()
        study.enqueue_trial({"x": 0.1})
    assert [line.split("; ")[-2:] for line in lines(caplog)] == [["2 jobs", "0:00:40"]]
    now[0] = 100.0
    shown._show()
    assert len(lines(caplog)) == 2


def test_what_the_end_needs_is_made_ready_once_trials_have_ended(progress, study):
    calls = []
    shown = progress(live=False, at_work=lambda: calls.append(1))
    study.enqueue_trial({"x": 0.1})
    shown._show()
    assert calls == []
    study.tell(study.ask(), 1.0)
    shown._show()
    assert calls == [1]


def test_in_a_terminal_one_table_is_redrawn_with_the_state_of_the_jobs(
    progress, capsys, monkeypatch
):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes the output for a terminal
    shown = progress(live=True, status=lambda: "3 of 4 jobs run")
    with shown:
        shown._show()
    printed = capsys.readouterr().out
    assert "3 of 4 jobs run" in printed
    assert "6 of 6 finished" in printed


def test_a_display_that_fails_does_not_end_the_sweep(progress, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG, live.__name__)
    shown = progress(live=False)
    waits = iter([False, True])
    monkeypatch.setattr(shown._stop, "wait", lambda _: next(waits))
    monkeypatch.setattr(shown, "_show", lambda: optuna.load_study(study_name="", storage="x"))
    shown._watch()
    assert lines(caplog)[0].startswith("no progress to show: ")
