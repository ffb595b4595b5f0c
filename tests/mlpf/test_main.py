"""The command `mlpf`: its subcommands are those of `python -m mlpf.train` and so on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

ROOT = Path(__file__).parents[2]


@pytest.fixture
def mlpf(tmp_path, monkeypatch):
    """Run the command as the installed script does, in an empty folder."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def run(*arguments):
        code = "import sys; from mlpf.__main__ import main; main()"
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def test_a_sweep_runs_from_the_script_and_its_workers_find_the_function(mlpf, tiny, tmp_path):
    sweep = ("-m", "hpo=asha_bo", "launcher=local", "hpo.n_trials=2", "hpo.n_workers=2")
    first = ("hpo.enqueue=[default,{model.dist_mult: 0.05, model.dropout: 0.25}]",)
    result = mlpf("train", *sweep, *first, *tiny)
    assert result.returncode == 0, result.stderr
    summary = json.loads((tmp_path / "outputs/sweeps/asha_bo/summary.json").read_text())
    assert summary["n_trials"]["total"] == 2
    assert summary["default"]["number"] == 0
    assert "default " in result.stdout
    config = OmegaConf.load(tmp_path / "outputs/sweeps/asha_bo/trials/0001/.hydra/config.yaml")
    assert (config.model.dist_mult, config.model.dropout) == (0.05, 0.25)


def test_help_of_a_subcommand_is_that_of_hydra(mlpf):
    result = mlpf("train", "--help")
    assert result.returncode == 0
    assert "search_space: curves7, gravnet, pbt, stage1, stage2, transformer" in result.stdout


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["--help"], 0)])
def test_the_subcommands_are_listed(mlpf, arguments, code):
    result = mlpf(*arguments)
    assert result.returncode == code
    assert all(name in result.stdout for name in ("train", "generate", "convert"))


def test_a_misspelled_subcommand_is_one_line(mlpf):
    result = mlpf("generated")
    assert result.returncode == 2
    assert (
        result.stderr == "error: generated: no such command; did you mean generate? (see --help)\n"
    )
