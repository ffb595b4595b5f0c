"""MLPF on a real SLURM of four nodes: the sweep as one array, and trials over two nodes."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import optuna
import pytest

from hpo.storage.opening import open_storage
from mlpf.training.callbacks import read_history

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def train(slurm, tiny, tmp_path):
    """Runs `mlpf train -m ...` on the login node, to its end."""
    environment = {**slurm.environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def run(*arguments):
        command = [sys.executable, "-m", "mlpf", "train", "-m", *tiny, *arguments]
        site = ["launcher=slurm", "launcher.poll_s=0.5", "launcher.cpus_per_task=1"]
        result = subprocess.run(
            [*command, *site],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    return run


def test_a_sweep_of_four_workers_is_one_array_and_every_trial_is_accounted_for(
    train, slurm, tmp_path
):
    before = {job["JobId"] for job in slurm.jobs()}
    train("hpo=asha_bo", "hpo.n_workers=4", "hpo.n_trials=8", "trainer.max_epochs=3")
    elements = [job for job in slurm.jobs() if job["JobId"] not in before]
    assert len(elements) == 4
    (array,) = {job["ArrayJobId"] for job in elements}
    shown = slurm.run("sacct", "-o", "JobID,State", "--parsable2", "-j", array).split()[1:]
    assert sorted(shown) == [f"{array}_{i}|COMPLETED" for i in range(4)]

    folder = tmp_path / "outputs/sweeps/asha_bo"
    study = optuna.load_study(study_name="asha_bo", storage=open_storage(None, folder))
    counts = Counter(trial.state.name for trial in study.trials)
    assert counts["COMPLETE"] + counts["PRUNED"] == 8
    assert counts["COMPLETE"] >= 1
    for trial in study.trials:
        history = read_history(folder / f"trials/{trial.number:04d}/metrics.csv")
        assert [row["epoch"] for row in history] == list(range(1, trial.last_step + 1))
        assert history[-1]["val_loss"] == pytest.approx(trial.intermediate_values[trial.last_step])
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["n_trials"]["total"] == 8
    assert (folder / "best.yaml").is_file()


def test_a_trial_trains_on_two_nodes_and_its_ranks_stop_together(train, tmp_path):
    train(
        "hpo=asha",
        "hpo.gpus_per_trial=2",
        "launcher.gpus_per_node=1",
        "launcher.setup=['export MASTER_ADDR=127.0.0.1']",
        "hpo.n_workers=1",
        "hpo.n_trials=4",
        "trainer.max_epochs=3",
    )
    folder = tmp_path / "outputs/sweeps/asha"
    study = optuna.load_study(study_name="asha", storage=open_storage(None, folder))
    counts = Counter(trial.state.name for trial in study.trials)
    assert counts["COMPLETE"] >= 1
    assert counts["PRUNED"] >= 1
    assert counts["COMPLETE"] + counts["PRUNED"] == 4
    for trial in study.trials:
        history = read_history(folder / f"trials/{trial.number:04d}/metrics.csv")
        assert [row["epoch"] for row in history] == list(range(1, trial.last_step + 1))
    outputs = [file.read_text() for file in (folder / "workers").glob("*/*_1_log.out")]
    assert len(outputs) == 1  # rank 1, which took part in all of them
    assert "Traceback" not in outputs[0]


def test_a_promoted_trial_grows_from_one_rank_to_two(train, tmp_path):
    train(
        "hpo=asha_promotion",
        "hpo.pruner.min_resource=1",
        "hpo.gpus_per_trial={0: 1, 1: 2}",
        "launcher.gpus_per_node=1",
        "launcher.setup=['export MASTER_ADDR=127.0.0.1']",
        "hpo.n_workers=2",
        "hpo.n_trials=3",
        "trainer.max_epochs=3",
    )
    folder = tmp_path / "outputs/sweeps/asha_promotion"
    study = optuna.load_study(study_name="asha_promotion", storage=open_storage(None, folder))
    assert Counter(trial.last_step for trial in study.trials) == {1: 2, 3: 1}
    (grown,) = [trial for trial in study.trials if trial.last_step == 3]
    run = folder / f"trials/{grown.number:04d}"
    assert [row["epoch"] for row in read_history(run / "metrics.csv")] == [1, 2, 3]
    output = "".join(f.read_text() for f in folder.glob("workers/*/*_log.out"))
    assert "2 ranks" in output  # gloo
