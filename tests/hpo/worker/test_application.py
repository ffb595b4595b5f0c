"""How an application sees its trials, and what Hydra sees of them."""

from pathlib import Path

import optuna
import pytest
from hydra.core.hydra_config import HydraConfig

import hpo


@pytest.fixture
def statuses(tmp_path, monkeypatch):
    """Reads what a callback of Hydra's has heard about each trial."""
    (tmp_path / "note_job.py").write_text(
        "from hydra.experimental.callback import Callback\n"
        "heard = []\n"
        "class Note(Callback):\n"
        "    def on_job_end(self, config, job_return, **kwargs):\n"
        "        if 'trials/' in config.hydra.sweep.subdir:\n"
        "            heard.append(job_return.status.name)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def read():
        import note_job

        return note_job.heard

    return read


def test_each_trial_is_a_job_of_hydra_with_a_folder_and_a_current_trial(toy, tmp_path):
    seen = []

    def train(cfg):
        own, trial = HydraConfig.get(), hpo.current_trial()
        folder = Path(own.runtime.output_dir).relative_to(tmp_path)
        seen.append((own.job.num, trial.number, str(folder), trial.params == {"x": cfg.x}))
        assert own.job.id.endswith(f"/{trial.number}")
        return 0.5

    toy.module.train = train
    assert toy("-m", "hydra.sweeper.n_trials=2")[0] == 0
    assert seen == [(n, n, f"sweep/trials/{n:04d}", True) for n in (0, 1)]
    assert hpo.current_trial() is None


def test_hydra_hears_of_no_failed_job_when_a_trial_is_pruned(toy, statuses):
    def train(cfg):
        raise optuna.TrialPruned

    toy.module.train = train
    code, printed = toy(
        "-m", "hydra.sweeper.n_trials=1", "+hydra.callbacks.note._target_=note_job.Note"
    )
    assert code == 0
    assert statuses() == ["COMPLETED"]
    assert "Traceback" not in printed
