"""Hydra's own launchers under our sweeper; `test_hydra_suite.py` has its sweeper on ours."""

import os
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_original_cwd
from joblib.externals.loky import get_reusable_executor

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _no_process_of_joblib_stays():
    yield
    get_reusable_executor().shutdown(wait=True)


@pytest.mark.filterwarnings("default")  # of joblib and submitit
@pytest.mark.parametrize("launcher", ["basic", "joblib", "submitit_local"])
def test_a_sweep_runs_under_a_launcher_of_hydras(toy, study, tmp_path, monkeypatch, launcher):
    def train(cfg):
        folder = Path(HydraConfig.get().runtime.output_dir)
        folder.joinpath("seen").write_text(f"{os.getpid()} {get_original_cwd()} {Path.cwd()}")
        return cfg.x

    toy.module.train = train
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    sweep = ("-m", "hydra.sweeper.n_trials=2", "hydra.job.chdir=true")
    code, printed = toy(*sweep, f"hydra/launcher={launcher}")
    assert code == 0, printed
    assert [trial.state.name for trial in study().trials] == ["COMPLETE"] * 2
    assert not [*tmp_path.glob("sweep/workers/**/hydra.yaml")]  # it would hold secrets
    pids = set()
    for trial in ("0000", "0001"):
        folder = tmp_path / "sweep/trials" / trial
        pid, *directories = (folder / "seen").read_text().split()
        assert directories == [str(tmp_path), str(folder)]
        pids.add(pid)
    assert len(pids) == 1  # both by the same worker
    assert (pids == {str(os.getpid())}) == (launcher == "basic")
