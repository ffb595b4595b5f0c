"""What runs on the compute node."""

import json
import sys
import threading

import optuna

from hpo.launch.slurm import meeting, probe


def test_the_node_says_where_and_with_what_it_runs_and_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURMD_NODENAME", "n7")
    monkeypatch.setattr(meeting, "ROUNDS", 3)
    meeting.prepare(tmp_path)
    node = threading.Thread(target=probe.main, args=([str(tmp_path)],))
    node.start()
    said = meeting.hear(tmp_path, "node")
    meeting.say(tmp_path, "login")
    meeting.hear(tmp_path, "ping")
    assert (tmp_path / "replaced").read_text() == "node"
    meeting.say(tmp_path, "pong")
    done = meeting.hear(tmp_path, "done")
    node.join()
    assert (said["host"], said["executable"]) == ("n7", sys.executable)
    assert said["versions"]["optuna"] == optuna.__version__
    assert said["versions"] == json.loads(json.dumps(probe.versions()))
    assert 0 <= done["wait_s"] < 60
    assert meeting.counted(tmp_path) == 3


def test_the_other_tasks_of_a_job_do_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_PROCID", "1")
    assert probe.main([str(tmp_path)]) == 0
    assert list(tmp_path.iterdir()) == []
