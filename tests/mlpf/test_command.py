"""Mistakes in a search with MLPF are one line, before a study, a folder or a worker is there."""

import os
import sys

import pytest

from mlpf.command import run_command
from mlpf.train import main


@pytest.fixture
def search(tmp_path, monkeypatch, capsys):
    """Runs `python -m mlpf.train -m ...` in this process; returns exit code and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    monkeypatch.delenv("SBATCH_ACCOUNT", raising=False)

    def run(*arguments):
        quiet = ["hydra/job_logging=none", "hydra/hydra_logging=none"]
        monkeypatch.setattr(sys, "argv", ["train.py", "-m", *arguments, *quiet])
        try:
            code = run_command(main, "train")
        except SystemExit as error:
            code = error.code
        assert "HYDRA_FULL_ERROR" not in os.environ
        return code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["hpo=asha_bow"], ["hpo=asha_bow: no such option; did you mean asha_bo? (there"]),
        (["hpo=tpe", "hpo.n_trials=ten"], ["hpo.n_trials must be a whole number, got 'ten'"]),
        (["hpo=tpe", "hpo.n_trails=5"], ["hpo.n_trails", "did you mean hpo.n_trials?"]),
        (["hpo=tpe", "hpo.pruner=5"], ["hpo.pruner must be null or a mapping", "got 5"]),
        (["hpo=tpe", "trainer.max_epochs=ten"], ["trainer.max_epochs must be an integer"]),
        (
            ["objective=[val_loss]"],
            ["objective=[val_loss]: it is a mapping; set objective.name=..."],
        ),
        (
            ["hpo=tpe", "objective.name=[val_loss,n_parameter]"],
            ["objective.name: no n_parameter among", "did you mean n_parameters?", "they are inf"],
        ),
        (
            ["hpo=tpe", "objective.name=[n_parameters,val_loss]"],
            ["objective.name: n_parameters is known when a training has ended"],
        ),
        (
            [
                "hpo=tpe",
                "objective.name=[val_loss,n_parameters]",
                "hpo.goals.prune_by=n_parameters",
            ],
            ["n_parameters is known when", "must decide", "the one that hpo.goals.prune_by names"],
        ),
        (
            ["hpo=tpe", "objective.name=[val_loss,n_parameters]", "hpo.goals.best={val_los: 1}"],
            ["hpo.goals.best.val_los: no such objective; did you mean val_loss?"],
        ),
        (
            ["hpo=tpe", "hpo.goals.constraints={memory: '<= 4'}"],
            ["hpo.goals.constraints: no memory among", "did you mean peak_memory_gb?"],
        ),
        (["hpo=tpe", "data=delphes"], ["data.folder: a value is needed"]),
        (["hpo=tpe", "model.bin_size=choice(0,32)"], ["model.bin_size must be an integer >= 1"]),
        (["hpo=tpe", "optimizer=choice(adam,adma)"], ["optimizer=adma", "did you mean adam?"]),
        (["hpo=tpe", "launcher=jureca"], ["launcher.account is missing"]),
        (["hpo=tpe", "launcher=slurm"], ["SLURM: no sbatch", "launcher.dry_run=true"]),
    ],
)
def test_a_mistake_is_one_line_that_names_the_typed_key(search, tmp_path, arguments, told):
    code, error = search(*arguments)
    assert (code, error.count("\n")) == (2, 1), error
    for text in told:
        assert text in error
    assert list(tmp_path.iterdir()) == []
