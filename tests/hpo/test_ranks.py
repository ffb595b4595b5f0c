import os
import threading

import pytest

from hpo.ranks import Group


@pytest.fixture
def ranks(tmp_path):
    return [Group(tmp_path / "ranks", rank=r, size=4, local_size=2) for r in range(4)]


def test_a_worker_alone_has_no_rank_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLURM_PROCID", "3")
    group = Group()
    with group.environment():
        assert "RANK" not in os.environ
        assert "SLURM_PROCID" not in os.environ
        group.publish(["x=1"], 0)
        group.decide(1, True)
        group.end()
        group.dismiss()
    assert os.environ["SLURM_PROCID"] == "3"
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("rank", "local_rank", "node"), [(0, "0", "0"), (1, "1", "0"), (2, "0", "1"), (3, "1", "1")]
)
def test_each_rank_sees_itself_as_torchrun_would_tell_it(ranks, rank, local_rank, node):
    with ranks[rank].environment():
        seen = {name: os.environ[name] for name in ("RANK", "LOCAL_RANK", "GROUP_RANK")}
        assert seen == {"RANK": str(rank), "LOCAL_RANK": local_rank, "GROUP_RANK": node}
        assert os.environ["WORLD_SIZE"] == "4"
        assert os.environ["LOCAL_WORLD_SIZE"] == "2"
        assert "TORCHELASTIC_RUN_ID" in os.environ
    assert "RANK" not in os.environ


def test_followers_run_what_rank_0_publishes_until_it_lets_go(ranks):
    leader, follower = ranks[0], ranks[1]
    seen = []

    def follow():
        seen.extend((note["overrides"], note["trial"]) for note in follower.trials())

    with leader.environment():
        thread = threading.Thread(target=follow)
        thread.start()
        leader.publish(["x=1"], 7)
        leader.publish(["x=2"], 8)
        leader.dismiss()
        thread.join(timeout=10)
    assert not thread.is_alive()
    assert seen == [(["x=1"], 7), (["x=2"], 8)]


def test_all_ranks_meet_at_the_same_place_which_a_site_may_choose(ranks, monkeypatch):
    monkeypatch.setenv("MASTER_ADDR", "node-7i")
    with ranks[0].environment():
        ranks[0].publish([], 0)
        place = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    with ranks[2].environment():
        next(ranks[2].trials())
        assert (os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]) == place
    assert place[0] == "node-7i"


def test_a_rank_that_waits_for_a_decision_is_freed_when_the_trial_ends(ranks):
    ranks[0].decide(1, False)
    assert not ranks[1].decision(1)
    ranks[0].end()
    assert ranks[1].decision(2)


def test_rank_0_does_not_go_on_without_a_rank_that_has_failed(ranks):
    ranks[1].complain("ValueError: no")
    with pytest.raises(RuntimeError, match="rank 1: ValueError: no"):
        ranks[0].decide(1, False)


def test_rank_0_learns_why_another_rank_failed(ranks):
    assert Group().complaint() is None
    ranks[3].complain("OutOfMemoryError: 80 GB")
    assert ranks[0].complaint() == "rank 3: OutOfMemoryError: 80 GB"


def test_a_group_goes_on_after_the_trials_that_another_process_has_published(tmp_path):
    leader, other = (Group(tmp_path, rank=0, size=2, local_size=2) for _ in range(2))
    for trial in (4, 5):
        other.publish(["x=1"], trial)
    leader.catch_up()
    leader.dismiss()
    follower = Group(tmp_path, rank=1, size=2, local_size=2)
    assert [note["trial"] for note in follower.trials()] == [4, 5]
