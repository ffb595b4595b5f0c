"""The job of a check: what is made of its answers; the node is a thread here."""

import threading
from types import SimpleNamespace

import pytest

from hpo.launch.slurm import meeting, probe, trial_job
from hpo.launch.slurm.commands import Element, End, Unanswered
from hpo.launch.slurm.options import SlurmOptions
from hpo.launch.slurm.trial_job import try_job
from hpo.settings import SettingError


@pytest.fixture
def attempt(tmp_path, monkeypatch):
    """Tries a job that runs `node` (None: it waits) on a site; returns what was found."""
    monkeypatch.setattr(trial_job, "_PAUSE_S", 0.01)
    monkeypatch.setattr(meeting, "ROUNDS", 3)
    monkeypatch.setattr(trial_job, "job_script", lambda options, *_: str(options.timeout_min))

    def run(node=lambda: probe.main([str(tmp_path)]), listed=None, ended=(), **options):
        def ask(*command, given):
            assert command == ("sbatch", "--parsable")
            run.minutes = int(given)
            if node is not None:
                threading.Thread(target=node).start()
            return "7;cluster\n"

        monkeypatch.setattr(trial_job, "ask", ask)
        run.canceled = []
        site = SimpleNamespace(
            options=SlurmOptions(poll_s=0.02, **options),
            queue=lambda: {} if listed is None else {"7": [listed]},
            ends=lambda jobs: list(ended),
            cancel=run.canceled.append,
        )
        return dict(try_job(site, tmp_path))

    run.folder = tmp_path
    return run


RUNNING = Element("RUNNING")


def test_a_node_that_answers_is_fine_in_every_respect(attempt):
    found = attempt(listed=RUNNING, setup=["true"])
    assert list(found) == ["set-up", "Python", "visibility", "rename", "lock", "clocks"]
    assert not [text for text in found.values() if isinstance(text, SettingError)]
    assert found["lock"] == "our lock excludes the other node (6 changes, none lost)"
    assert attempt.canceled == ["7"]
    assert attempt.minutes == 5


def test_another_python_on_the_node_is_named(attempt, monkeypatch):
    here = probe.versions()
    monkeypatch.setattr(probe, "versions", lambda: here | {"optuna": "3.0"})
    said = str(attempt(listed=RUNNING)["Python"])
    assert f"optuna 3.0 instead of {here['optuna']}: change setup or python" in said


def test_a_set_up_line_that_fails_is_the_verdict(attempt):
    (attempt.folder / "setup-failed-0").write_text("1 1 n0 module load nope\n")
    found = attempt(None, ended=[End("7", "FAILED", "T")])
    assert {k: str(v) for k, v in found.items()} == {
        "job": "line 1 of setup ended with code 1 on n0: module load nope"
    }


def test_a_job_that_ends_without_a_word_shows_its_last_line(attempt):
    (attempt.folder / "7_0_log.out").write_text("Traceback\nNo module named 'hpo'\x1b[2J\n")
    found = attempt(None, ended=[End("7", "FAILED", "T")])
    assert str(found["job"]) == "job 7 ended too early (FAILED): No module named 'hpo'\\x1b[2J"


def test_a_job_that_waits_in_vain_is_taken_back_with_the_reason(attempt):
    found = attempt(None, listed=Element("PENDING", "PartitionTimeLimit"))
    assert str(found["job"]).startswith("job 7 waits, PartitionTimeLimit: lower timeout_min")
    assert attempt.canceled == ["7"]


def test_a_refusal_is_the_verdict(attempt, monkeypatch):
    def refuse(*_, **__):
        raise Unanswered("Invalid qos specification")

    site = SimpleNamespace(options=SlurmOptions())
    attempt(listed=RUNNING)
    monkeypatch.setattr(trial_job, "ask", refuse)
    ((what, error),) = try_job(site, attempt.folder)
    assert what == "job"
    assert "change qos" in str(error)


def test_answers_that_are_not_seen_in_time_are_a_failure(attempt, monkeypatch):
    monkeypatch.setattr(meeting.hear, "__defaults__", (0.05,))
    found = attempt(
        lambda: meeting.say(attempt.folder, "node", host="n", executable="p", versions={}),
        listed=RUNNING,
    )
    assert "seen.json was not seen within 0.05 s; take a database" in str(found["visibility"])


@pytest.mark.parametrize(
    ("judge", "given", "fine"),
    [
        ("_visibility", (0.1, 9.0), True),
        ("_visibility", (0.1, 31.0), False),
        ("_rename", ("node",), True),
        ("_rename", ("login",), False),
        ("_lock", (2 * meeting.ROUNDS,), True),
        ("_lock", (2 * meeting.ROUNDS - 1,), False),
        ("_clocks", (-4.0, 0.1, 0.0), True),
        ("_clocks", (-9.0, 5.0, 0.0), True),  # the answer itself took 10 s
        ("_clocks", (600.0, 0.1, 0.0), False),
        ("_clocks", (0.0, 0.1, -30.0), False),
    ],
)
def test_what_would_harm_a_sweep_is_a_failure(judge, given, fine):
    assert isinstance(getattr(trial_job, judge)(*given), str) is fine
