"""Each trial in a process of its own: what the worker makes of their ends, and real ones."""

import os
from collections import Counter
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig

from hpo.ranks import Group
from hpo.worker import fresh
from hpo.worker.fresh import run_in_fresh_process, work_in_fresh_processes

LOCAL = "hydra/launcher=hpo_local"
KILLED, DONE = -9, fresh._NOTHING_LEFT


@pytest.fixture
def ends(monkeypatch):
    """Makes the next processes end with these codes; returns those that were not needed."""

    def make(*codes):
        left = list(codes)
        monkeypatch.setattr(fresh, "_run", lambda job: left.pop(0))
        return left

    return make


def test_a_process_that_dies_is_followed_by_the_next_one(ends, caplog):
    left = ends(0, KILLED, 0, *[KILLED] * 4, 0, DONE)
    work_in_fresh_processes(bool, None, Group())
    assert left == []
    assert caplog.text.count("the process of a trial was ended by signal 9") == 5


def test_a_worker_whose_processes_die_in_a_row_ends(ends):
    ends(0, *[1] * 5)
    with pytest.raises(RuntimeError, match="the process of a trial ended with code 1"):
        work_in_fresh_processes(bool, None, Group())


def test_a_worker_ends_if_the_other_ranks_of_a_trial_would_wait_forever(ends, tmp_path):
    ends(KILLED)
    with pytest.raises(RuntimeError, match="signal 9"):
        work_in_fresh_processes(bool, None, Group(tmp_path, size=2))
    ends(KILLED)
    with pytest.raises(RuntimeError, match="signal 9"):
        run_in_fresh_process(bool, None)


def test_each_trial_has_a_process_and_the_worker_one_record(toy, study, tmp_path):
    def train(cfg):
        Path(HydraConfig.get().runtime.output_dir, "pid").write_text(str(os.getpid()))
        if "0001" in HydraConfig.get().runtime.output_dir:
            raise RuntimeError("no luck")
        return 0.5

    toy.module.train = train
    sweep = ("-m", "hydra.sweeper.n_trials=2", "hydra.sweeper.max_failure_rate=1")
    assert toy(*sweep, "hydra.sweeper.fresh_process=true")[0] == 0
    assert [trial.state.name for trial in study().trials] == ["COMPLETE", "FAIL"]
    assert study().trials[1].user_attrs["fail_reason"] == "RuntimeError: no luck"
    pids = {file.read_text() for file in tmp_path.glob("sweep/trials/*/pid")}
    assert len(pids - {str(os.getpid())}) == 2
    (record,) = [v for k, v in study().user_attrs.items() if k.startswith("hpo:worker:")]
    assert record["n_trials"] == 2


def test_ctrl_c_reaches_the_process_of_the_trial_which_gives_it_back(
    shell, study, tmp_path, wait_until
):
    command = shell("toy/toy.py", "-m", LOCAL, "hydra.sweeper.fresh_process=true", "epoch_s=0.3")
    wait_until(lambda: any(tmp_path.glob("sweep/trials/*/epochs")))
    command.interrupt()
    code, output = command.end()
    assert code == 130, output
    trials = study().trials
    assert Counter(trial.state.name for trial in trials) == {"WAITING": 4}
    assert "hpo:retries" not in trials[0].system_attrs
