"""Each command that SCALE=full prints composes and has a job script; nothing is submitted."""

import sys

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from benchmarks.reproduce import algorithms, hpo, own_curves
from benchmarks.reproduce.scaling import __main__ as scaling
from hpo.launch.slurm.options import SlurmOptions
from hpo.launch.slurm.site import job_script
from hpo.search.seeded import build
from hpo.search.space import parse_space
from mlpf.command import run_command
from mlpf.config import config_dir
from mlpf.train import main

HPO = hpo.cluster_commands(hpo.target_at("full"))
ALGORITHMS = algorithms.cluster_commands()
SCALING = scaling.cluster_commands()
CURVES = own_curves.cluster_commands()
ALL = [*HPO, *ALGORITHMS, *SCALING, *CURVES]
NOT_AMONG = "the default is not among the trials: model.bin_size = 640"


def composed(command):
    """Compose a command; of keys with several values the first job."""
    words = [word for word in command.words[2:] if word != "-m"]
    chosen = []
    for each in OverridesParser.create().parse_overrides(words):
        value = next(each.sweep_string_iterator()) if each.is_sweep_override() else None
        chosen.append(each.input_line if value is None else f"{each.get_key_element()}={value}")
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose("train", [*chosen, "launcher.account=A"], return_hydra_config=True)


def node(config, name):
    """Return a part of Hydra as its class gets it."""
    resolved = OmegaConf.to_container(config.hydra[name], resolve=True)
    return {key: value for key, value in resolved.items() if not key.startswith("_")}


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.what)
def test_a_command_composes_and_has_a_job_script_for_its_workers(command, tmp_path):
    config = composed(command)
    assert config.data.source.n_events.train == 40_000
    hydra = {name: node(config, name) for name in ("launcher", "sweeper")}
    if is_search := "hpo" in config:
        assert parse_space(hydra["sweeper"]["params"], []).distributions
        assert build(hydra["sweeper"]["sampler"])
        assert build(hydra["sweeper"]["pruner"])
    options = SlurmOptions(**hydra["launcher"])
    n_workers = config.hpo.n_workers if is_search else hpo.SIZES["full"].n_seeds
    script = job_script(options, n_workers, tmp_path)
    assert "#SBATCH --gres=gpu:4\n" in script
    assert "#SBATCH --account=A\n" in script


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (HPO[1], ["at most 24 jobs", NOT_AMONG]),
        (ALGORITHMS[0], ["at most 24 jobs", "hpo.budget.epochs=4000"]),
        (SCALING[2], ["at most 4 jobs"]),
        (CURVES[0], ["at most 24 jobs", NOT_AMONG]),
    ],
    ids=["hpo", "algorithms", "scaling", "curves"],
)
def test_a_cluster_would_be_sent_the_search(command, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [*command.words[2:], "launcher.account=A", "launcher.dry_run=true"]
    monkeypatch.setattr(sys, "argv", ["train.py", *words])
    assert run_command(main, "train") == 0
    shown = capsys.readouterr()
    assert "#SBATCH --gres=gpu:4\n" in shown.out
    for text in told:
        assert text in shown.err
    assert not any(tmp_path.iterdir())
