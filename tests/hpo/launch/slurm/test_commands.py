"""Recorded answers of SLURM 20.11 to 25.05."""

import os
import subprocess

import pytest

from hpo.launch.slurm import commands
from hpo.launch.slurm.commands import Element, End, Unanswered

QUEUE = """\
7_2|PENDING|JobArrayTaskLimit
7_0|RUNNING|None
9|PENDING|ReqNodeNotAvail, UnavailableNodes:n[1-3]
11_0|COMPLETING|None
12|PENDING|launch failed requeued held
"""
# 22.05: an array that was canceled while two elements ran and the others waited for their turn.
ARRAY = """\
JobId=7 ArrayJobId=7 ArrayTaskId=2-5%2 ArrayTaskThrottle=2 JobName=a b UserId=u(0) \
JobState=CANCELLED Reason=JobArrayTaskLimit Dependency=(null) ExitCode=0:0 \
StartTime=2026-11-26T20:45:43 EndTime=2026-11-26T20:45:43 Deadline=N/A
JobId=9 ArrayJobId=7 ArrayTaskId=1 JobName=a b JobState=NODE_FAIL Reason=None \
EndTime=2026-11-26T20:40:00 AdminComment=power cut B:S:C=0
"""
# 25.05 with slurmdbd, after the controller has forgotten the job.
ACCOUNTS = """\
8_0|2026-11-26T20:45:43|CANCELLED by 0
8_[1-3%2]|2026-11-26T20:45:44|CANCELLED by 4000000000
8_4|Unknown|RUNNING
"""
CONFIG = """\
Configuration data as of 2026-11-26T20:45:20
MaxArraySize            = 1001
SchedulerParameters     = bf_interval=1{more}
"""
PARTITIONS = """\
PartitionName=batch AllowGroups=ALL AllowAccounts=ALL Default=YES MaxTime=1-00:00:00 State=UP
PartitionName=dev AllowGroups=ALL Default=NO MaxTime=UNLIMITED State=DRAIN TRES=cpu=4,mem=2G
"""


@pytest.fixture
def answers(monkeypatch):
    """What the commands print, by their first words; an exit code is a failure."""
    known = {}

    def run(command, **_):
        answer = next((known[key] for key in known if " ".join(command).startswith(key)), 1)
        code, text = (answer, "error: disabled") if isinstance(answer, int) else (0, answer)
        return subprocess.CompletedProcess(command, code, text, "")

    monkeypatch.setattr(commands.subprocess, "run", run)
    return known


def test_the_queue_is_sorted_by_array_and_says_why_an_element_waits(answers):
    answers[f"squeue -h -r -u {os.getuid()} -o"] = QUEUE
    assert commands.queue() == {
        "7": [Element("PENDING", "JobArrayTaskLimit"), Element("RUNNING")],
        "9": [Element("PENDING", "ReqNodeNotAvail, UnavailableNodes:n[1-3]")],
        "11": [Element("COMPLETING")],
        "12": [Element("PENDING", "launch failed requeued held")],
    }


def test_a_site_that_does_not_answer_is_not_taken_for_an_empty_queue(answers):
    assert commands.queue() is None


def test_ends_come_from_the_controller_and_what_it_has_forgotten_from_the_accounting(
    answers, monkeypatch
):
    monkeypatch.setattr(commands.os, "getuid", lambda: 1234)
    answers["scontrol show job -o 7"] = ARRAY
    answers["sacct -X -n -P -j 7,8 -o"] = ACCOUNTS
    assert commands.ends(["7", "8"]) == [
        End("7", "CANCELLED", "2026-11-26T20:45:43"),
        End("7", "NODE_FAIL", "2026-11-26T20:40:00", None, "power cut"),
        End("8", "CANCELLED by 0", "2026-11-26T20:45:43", "root"),
        End("8", "CANCELLED by 4000000000", "2026-11-26T20:45:44", "user 4000000000"),
        End("8", "RUNNING", "Unknown"),
    ]


@pytest.mark.parametrize(("me", "named"), [(1234, "root"), (0, None)])
def test_the_accounting_names_the_other_user_who_canceled(answers, monkeypatch, me, named):
    monkeypatch.setattr(commands.os, "getuid", lambda: me)
    answers["scontrol show job -o 8"] = ARRAY
    answers["sacct"] = ACCOUNTS
    ends = commands.ends(["8"])
    assert [(end.is_canceled, end.user is not None) for end in ends] == [
        (True, True),
        (False, True),
    ]


def test_without_accounting_the_controller_is_enough_and_without_both_nothing_is_known(answers):
    assert commands.ends(["7"]) == []
    answers["scontrol show job -o 7"] = ARRAY
    assert [end.is_canceled for end in commands.ends(["7"])] == [True, False]


@pytest.mark.parametrize(
    ("more", "largest"), [("", 1001), (",max_array_tasks=50", 50), (",max_array_tasks=5000", 1001)]
)
def test_the_largest_array_is_what_the_configuration_allows(answers, more, largest):
    assert commands.largest_array() is None
    answers["scontrol show config"] = CONFIG.format(more=more)
    assert commands.largest_array() == largest


def test_a_site_without_arrays_takes_single_jobs(answers):
    answers["scontrol show config"] = "MaxArraySize            = 0\n"
    assert commands.largest_array() == 1


def test_partitions_have_their_limits(answers):
    answers["scontrol show partition -o"] = PARTITIONS
    known = commands.partitions()
    assert {name: known[name]["State"] for name in known} == {"batch": "UP", "dev": "DRAIN"}
    assert commands.minutes(known["batch"]["MaxTime"]) == 1440
    assert commands.minutes(known["dev"]["MaxTime"]) == float("inf")


@pytest.mark.parametrize(
    ("limit", "value"), [("2-12:30:00", 3630), ("90:30", 90.5), ("8:00:00", 480)]
)
def test_time_limits_are_minutes(limit, value):
    assert commands.minutes(limit) == value


def test_a_program_that_is_not_there_or_fails_is_told_in_one_line(tmp_path, monkeypatch):
    with pytest.raises(Unanswered, match=r"^nothing-of-slurm: .*No such file"):
        commands.ask("nothing-of-slurm")
    with pytest.raises(Unanswered, match=r"^no; never$"):
        commands.ask("bash", "-c", "echo 'sbatch: error: no' >&2; echo never >&2; exit 1")
    assert commands.ask("cat", given="a script") == "a script"
