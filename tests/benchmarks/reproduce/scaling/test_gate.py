import multiprocessing

import pytest

from benchmarks.reproduce.scaling.gate import GatedAsha, GatedPromotion, wait_for_others

fork = multiprocessing.get_context("fork")


def test_outside_a_job_a_policy_is_built_at_once(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    GatedAsha(str(tmp_path / "gate"), 99, min_resource=1, reduction_factor=3)
    rungs = {"min_resource": 1, "reduction_factor": 3, "max_resource": 9}
    GatedPromotion(str(tmp_path / "gate"), 99, **rungs)
    assert not (tmp_path / "gate").exists()


def test_a_worker_waits_for_all_others(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    gate = tmp_path / "gate"
    with pytest.raises(TimeoutError, match="1 of 2 workers were ready within 0 s"):
        wait_for_others(gate, 2, limit_s=0)
    other = fork.Process(target=wait_for_others, args=(gate, 2, 20.0))
    other.start()
    wait_for_others(gate, 2, limit_s=20.0)
    other.join()
    assert other.exitcode == 0
