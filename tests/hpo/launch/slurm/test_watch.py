"""Which command watches which array: adoption, leaving, counting."""

import os
from types import SimpleNamespace

import optuna
import pytest

from hpo.attributes import LAUNCH
from hpo.launch.slurm import watch
from hpo.launch.slurm.commands import Element, End
from hpo.launch.slurm.options import SlurmOptions
from hpo.launch.slurm.watch import Launches

RUNNING = Element("RUNNING")


@pytest.fixture
def slurm():
    """A site with two arrays of two elements, one worker each."""
    site = SimpleNamespace(
        options=SlurmOptions(),
        listed={"7": [RUNNING, Element("PENDING", "Priority")], "8": [RUNNING, RUNNING]},
        ended=[],
        canceled=[],
    )
    site.queue = lambda: site.listed
    site.ends = lambda jobs: [end for end in site.ended if end.job in jobs]
    site.cancel = lambda job, pending_only: site.canceled.append((job, pending_only))
    return site


@pytest.fixture
def storage():
    storage = optuna.storages.InMemoryStorage()
    storage.create_new_study([optuna.study.StudyDirection.MINIMIZE], "s")
    return storage


@pytest.fixture
def launches(storage, slurm):
    return lambda: Launches(storage, 0, slurm)


def watcher(storage, launch="a"):
    return storage.get_study_user_attrs(0)[LAUNCH + launch]["watcher"]


def set_watcher(storage, watcher, job="7", launch="a"):
    record = {"job": job, "workers": 1, "watcher": watcher}
    storage.set_study_user_attr(0, LAUNCH + launch, record)


def test_an_array_is_stored_with_the_command_that_watches_it(launches, storage):
    launches().add("a", "7")
    assert watcher(storage)["pid"] == os.getpid()


def test_an_array_that_is_watched_is_not_adopted_and_one_that_was_left_is(launches, storage):
    first = launches()
    first.add("a", "7")
    assert launches().adopt() == []
    first.let_go()
    assert watcher(storage) is None
    assert launches().adopt() == ["7"]
    assert watcher(storage)["pid"] == os.getpid()


@pytest.fixture
def clock(monkeypatch):
    """Time that passes by sleeping; `at` maps a time to what happens then."""
    clock = SimpleNamespace(now=0.0, at={})

    def sleep(seconds):
        clock.now += seconds
        for moment in [moment for moment in clock.at if moment <= clock.now]:
            clock.at.pop(moment)()

    def date():
        pytest.fail("the date counts nowhere")

    known = SimpleNamespace(sleep=sleep, monotonic=lambda: clock.now, time=date)
    monkeypatch.setattr(watch, "time", known)  # of this module alone: the logger needs the date
    return clock


ELSEWHERE = {"host": "elsewhere", "pid": 1, "beat": 5}


@pytest.mark.parametrize(
    "watcher",
    [ELSEWHERE, {"host": "elsewhere", "pid": 1, "expires": 1e12}],  # of the version before
)
def test_a_command_on_another_host_is_gone_when_its_record_stands_still(
    launches, storage, clock, watcher
):
    set_watcher(storage, watcher)
    mine = launches()
    assert mine.adopt() == []  # not yet known
    mine.observe()
    assert clock.now == 60
    assert mine.adopt() == ["7"]
    assert storage.get_study_user_attrs(0)[LAUNCH + "a"]["watcher"]["pid"] == os.getpid()


def test_a_command_on_another_host_that_changes_its_record_is_believed(launches, storage, clock):
    set_watcher(storage, ELSEWHERE)
    clock.at[20.0] = lambda: set_watcher(storage, ELSEWHERE | {"beat": 6})
    mine = launches()
    mine.observe()
    assert clock.now == 20
    assert mine.adopt() == []


def test_a_watching_command_changes_its_record_before_it_is_taken_for_gone(
    launches, storage, clock
):
    mine = launches()
    mine.add("a", "7")
    seen = [watcher(storage)]
    for _ in range(30):
        watch.time.sleep(2)
        mine.say_present()
        if watcher(storage) != seen[-1]:
            seen.append(watcher(storage))
    assert len(seen) == 3  # every 22 s


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "7",
        [],
        {"job": ["7"], "workers": 1},
        {"job": "7"},
        {"job": "7", "workers": "1"},
        {"job": "7", "workers": 1, "watcher": "me"},
        {"job": "7", "workers": 1, "watcher": {"host": "elsewhere"}},
    ],
)
def test_a_record_that_is_none_of_ours_is_left_alone(launches, storage, value):
    storage.set_study_user_attr(0, LAUNCH + "a", value)
    mine = launches()
    mine.observe()
    assert mine.adopt() == []
    assert storage.get_study_user_attrs(0)[LAUNCH + "a"] == value


def test_an_array_that_has_left_the_queue_is_not_adopted(launches, storage):
    set_watcher(storage, None, job="99")
    assert launches().adopt() == []


def test_workers_are_counted_over_the_own_arrays_only(launches, slurm):
    mine = launches()
    mine.add("a", "7")
    assert mine.n_alive() == 2
    assert mine.describe() == "array 7: 1 pending (Priority), 1 running"
    slurm.listed = None
    assert mine.n_alive() is None


def test_an_array_that_the_queue_does_not_list_yet_counts_for_a_moment(
    launches, slurm, monkeypatch
):
    mine = launches()
    mine.add("a", "9")
    assert mine.n_alive() == 1
    slurm.ended = [End("9", "RUNNING", "2026-11-26T10:00:00")]
    assert mine.n_alive() == 1
    slurm.ended = [End("9", "FAILED", "2026-11-26T10:00:00")]  # at once, between two looks
    assert mine.n_alive() == 0
    slurm.ended = []
    monkeypatch.setattr("hpo.launch.slurm.watch._LISTED_AFTER_S", 0.0)
    assert mine.n_alive() == 0
    assert mine.describe() == "array 9: ended"


def test_canceling_reaches_the_own_arrays_only(launches, slurm):
    mine = launches()
    mine.add("a", "7")
    mine.cancel(pending_only=True)
    assert slurm.canceled == [("7", True)]
    mine.wait_until_gone(0.0)


def test_a_reason_that_does_not_go_away_is_told_with_what_to_change(launches, slurm):
    mine = launches()
    mine.add("a", "7")
    slurm.listed["7"] += 2 * [Element("PENDING", "PartitionTimeLimit")]
    mine.n_alive()
    ((reason, (job, remedy)),) = mine.stuck().items()
    assert (reason, job) == ("PartitionTimeLimit", "7")
    assert "launcher.timeout_min" in remedy.naming("launcher.{}".format)
    assert mine.describe() == (
        "array 7: 2 pending (PartitionTimeLimit), 1 pending (Priority), 1 running"
    )


CANCELED, LOST, ONE = "CANCELLED", "NODE_FAIL", "job 7 was canceled (scancel)"


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        ([End("7", CANCELED, "2026-11-26T10:00:00")], ONE),
        (
            [End("7", CANCELED, "T10"), End("7", "COMPLETED", "T09")],
            ONE,
        ),
        ([End("7", CANCELED, "T10"), End("8", "RUNNING", "T99")], ONE),
        ([End("7", "TIMEOUT", "2026-11-26T10:00:00")], None),
        ([End("7", "PREEMPTED", "2026-11-26T10:00:00")], None),
        ([End("7", "FAILED", "2026-11-26T10:00:00")], None),
        ([], None),  # forgotten, and no accounting
        # One was canceled earlier, and the last ones were lost with their node.
        ([End("7", CANCELED, "2026-11-26T10:00:00"), End("7", LOST, "2026-11-26T11:00:00")], None),
        (
            [End("7", LOST, "2026-11-26T10:00:00"), End("7", CANCELED, "2026-11-26T11:00:00")],
            ONE,
        ),
        (
            [End(job, CANCELED, "2026-11-26T10:00:00", "root", "idle GPUs") for job in "78"],
            "jobs 7, 8 were canceled (scancel by root; idle GPUs)",
        ),
    ],
)
def test_arrays_were_canceled_if_that_is_how_their_last_element_ended(
    launches, slurm, ended, said
):
    mine = launches()
    mine.add("a", "7")
    mine.add("b", "8")
    slurm.ended = ended
    assert mine.how_canceled() == said


def test_an_end_that_slurm_has_forgotten_is_said_once(launches, caplog):
    caplog.set_level("INFO")
    mine = launches()
    mine.add("a", "7")
    assert [mine.how_canceled() for _ in range(2)] == [None, None]
    assert caplog.messages == ["array 7: SLURM does not say how it ended"]
