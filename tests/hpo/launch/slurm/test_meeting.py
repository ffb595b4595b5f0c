"""Two nodes, here two threads, in one folder."""

import threading

import pytest

from hpo.launch.slurm import meeting


def test_a_message_is_heard_as_soon_as_it_is_there_and_missed_after_the_limit(tmp_path):
    assert meeting.said(tmp_path, "node") is None
    with pytest.raises(meeting.Unheard, match=r"^node.json was not seen within 0 s$"):
        meeting.hear(tmp_path, "node", limit_s=0)
    later = threading.Timer(0.02, meeting.say, (tmp_path, "node"), {"host": "n0"})
    later.start()
    assert meeting.hear(tmp_path, "node") == {"host": "n0"}


def test_two_nodes_that_count_under_the_lock_lose_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(meeting, "ROUNDS", 10)
    meeting.prepare(tmp_path)
    other = threading.Thread(target=meeting.count, args=(tmp_path,))
    other.start()
    meeting.count(tmp_path)
    other.join()
    assert meeting.counted(tmp_path) == 20
