import logging
import time

import optuna
import pytest

from hpo.attributes import WORKER
from hpo.reporting import live
from hpo.reporting.live import Lines, Progress


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
    assert [line.split("; ")[-2:] for line in lines(caplog)] == [["2 jobs", "time 0:00:40"]]
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


def test_after_a_resumption_the_time_of_all_commands_is_told_too(progress, study, capsys):
    with progress(live=False):
        pass
    assert "all commands" not in capsys.readouterr().out.split("time")[1]
    study.set_user_attr(WORKER + "a/0", {"start": 100.0, "end": 160.0, "busy_s": 50.0})
    with progress(live=False):
        pass
    assert "0:00:00 this command, 0:01:00 all commands" in capsys.readouterr().out


@pytest.fixture
def optuna_lines(monkeypatch):
    """The lines that a logger below Optuna's has passed on."""
    log, seen = optuna.logging.get_logger("optuna.hpo"), []
    monkeypatch.setattr(log, "handle", lambda record: seen.append(record.getMessage()))
    return seen


def test_a_process_of_plain_optuna_logs_how_far_its_study_is_now_and_then(study, optuna_lines):
    optuna.logging.set_verbosity(optuna.logging.INFO)
    with Lines(study._storage, study._study_id, every_s=0.01):
        deadline = time.monotonic() + 30
        while not optuna_lines and time.monotonic() < deadline:
            time.sleep(0.01)
        n_before = len(optuna_lines)
    assert n_before > 0
    assert optuna_lines[-1].startswith(
        "study 's': 6 of 6 finished: 2 complete, 3 pruned, 1 failed"
    )
    assert "best 1 (trial 1): x=0.5; time 0:00:" in optuna_lines[-1]


def test_it_logs_nothing_below_the_verbosity_of_optuna_or_after_an_error(study, optuna_lines):
    with Lines(study._storage, study._study_id):
        pass  # the tests set the verbosity to warnings
    optuna.logging.set_verbosity(optuna.logging.INFO)
    with pytest.raises(KeyboardInterrupt), Lines(study._storage, study._study_id):
        raise KeyboardInterrupt
    assert optuna_lines == []


def test_a_line_that_cannot_be_made_ends_nothing(study, optuna_lines):
    optuna.logging.set_verbosity(optuna.logging.INFO)
    with Lines(study._storage, study_id=99):
        pass
    assert optuna_lines == []
