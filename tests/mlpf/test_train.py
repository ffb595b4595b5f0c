"""The command: what it prints, refuses and leaves, and that Ctrl-C loses nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlpf.command import run_command
from mlpf.train import main
from mlpf.training.callbacks import read_history

QUIET = ["hydra/job_logging=none", "hydra/hydra_logging=none"]


@pytest.fixture
def command(tiny, tmp_path, monkeypatch, capsys):
    """Run the command in this process, in an empty folder; return exit code and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        flags = [a for a in arguments if a.startswith("-")]
        rest = [a for a in arguments if a not in flags]
        monkeypatch.setattr(sys, "argv", ["train.py", *flags, *tiny, *QUIET, *rest])
        try:
            code = run_command(main, "train")
        except SystemExit as error:
            code = error.code
        return code, capsys.readouterr()

    return run


def test_a_multirun_trains_once_per_value_in_folders_of_their_own(command, tmp_path):
    code, _ = command("-m", "seed=1,2", "trainer.max_epochs=1", "hydra.sweep.dir=sweep")
    assert code == 0
    first, second = (read_history(tmp_path / f"sweep/{i}/metrics.csv") for i in (0, 1))
    assert len(first) == len(second) == 1
    assert first[0]["val_loss"] != second[0]["val_loss"]


def test_help_names_the_groups_and_gives_examples(command):
    code, printed = command("--help")
    assert code == 0
    assert "search_space: curves7, gravnet, pbt, stage1, stage2, transformer" in printed.out
    assert printed.out.count("python -m mlpf.train ") >= 8
    assert "expdecay_decay_steps: 10000" in printed.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["optimizr.lr=1"], "did you mean optimizer.lr?"),
        (["optimizer=adm"], "optimizer=adm: no such option; did you mean adam?"),
        (["scheduler=cosine", "scheduler.expdecay_decay_steps=10"], "expdecay_decay_steps"),
        (["data.folder=nowhere"], "data.train matches no file: nowhere/train.parquet"),
        (["optimizer=ada,sgd"], "optimizer=ada,sgd"),
        (["-m", "seed=1,2", "trainer.max_epochs=ten"], "trainer.max_epochs must be an integer"),
        (["--config-name=nothing"], "nothing"),
        (["model.bin_size=0"], "model.bin_size must be an integer >= 1, got 0"),
    ],
)
def test_a_mistake_is_answered_by_a_line_that_names_it(command, arguments, message):
    code, printed = command(*arguments)
    assert (code, printed.err.count("\n")) == (2, 1), printed.err
    assert message in printed.err


def test_a_training_that_diverges_is_a_line_and_a_failure(command):
    code, printed = command("optimizer=sgd", "optimizer.lr=1e30")
    assert (code, printed.err.count("\n")) == (1, 1), printed.err
    assert "diverged in epoch 1: " in printed.err


@pytest.mark.parametrize("mode", [[], ["-m"]])
def test_a_search_space_without_a_search_is_refused(command, mode):
    code, printed = command(*mode, "search_space=stage1")
    assert code == 2
    assert printed.err == "search_space: nothing searches it; add for example -m hpo=asha_bo\n"


def wait_for_epochs(file: Path, process: subprocess.Popen, n_epochs: int) -> None:
    for _ in range(600):
        if len(read_history(file)) >= n_epochs or process.poll() is not None:
            return
        time.sleep(0.1)


def test_an_interrupted_training_says_so_and_goes_on_in_the_same_folder(command, tiny, tmp_path):
    arguments = ["hydra.run.dir=run", "trainer.max_epochs=100000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlpf.train", *tiny, *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_epochs(tmp_path / "run/metrics.csv", process, 2)
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 130
    assert printed.splitlines()[-1].startswith("interrupted")
    assert "Traceback" not in printed
    n_epochs = len(read_history(tmp_path / "run/metrics.csv"))
    assert n_epochs >= 2
    code, _ = command("hydra.run.dir=run", f"trainer.max_epochs={n_epochs + 1}")
    assert code == 0
    history = read_history(tmp_path / "run/metrics.csv")
    assert [row["epoch"] for row in history] == list(range(1, n_epochs + 2))


def test_a_launcher_without_a_multirun_is_refused(command):
    code, printed = command("launcher=local")
    assert code == 2
    assert printed.err.startswith("launcher: a single training is not launched; add for example")
