import csv
import json
from pathlib import Path

import hydra
import numpy as np
import pytest

from benchmarks.reproduce import own_curves, scales
from benchmarks.reproduce.own_curves import (
    COLUMNS,
    SIZES,
    cluster_commands,
    figures_of,
    main,
    read_trainings,
    spearman,
    sweep_arguments,
)
from commons.cli import Failure
from hpo.curves import read_curves
from mlpf.config import config_dir
from qsvr.benchmark import curves as of_qsvr


def write_sweep(folder, states, n_epochs=3, bad=None):
    """Write what a sweep leaves of trials in these states; trial i has the loss i + 1/epoch."""
    header = ["number", "state", *(f"params.{key}" for key in COLUMNS.values())]
    rows = [[i, s, 8 * 2**i, 0.1 * i, 1e-3, i, 4 - i, 16, 1e-4] for i, s in enumerate(states)]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "trials.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    for i, state in enumerate(states):
        place = folder / "trials" / f"{i:04d}"
        place.mkdir(parents=True, exist_ok=True)
        lines = ["epoch,seconds,val_loss,val_tower_accuracy,val_met_ratio"]
        for epoch in range(1, n_epochs + (state == "complete")):
            loss = "nan" if i == bad else i + 1 / epoch
            lines.append(f"{epoch},0.5,{loss},0.{epoch}12345,1.{epoch}")
        (place / "metrics.csv").write_text("\n".join(lines))


def test_trainings_that_have_not_reached_their_end_are_left_out(tmp_path):
    write_sweep(tmp_path, ["complete", "fail", "complete", "complete"], bad=3)
    trainings, n_left_out = read_trainings(tmp_path, 3)
    assert [each.number for each in trainings] == [0, 2]
    assert n_left_out == 2
    assert trainings[1].series["loss"].tolist() == pytest.approx([3, 2.5, 2 + 1 / 3])
    with pytest.raises(Failure, match="no training has reached epoch 4"):
        read_trainings(tmp_path, 4)


def test_the_target_writes_the_published_columns_and_physics(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        scales, "run", lambda *words: write_sweep(sweep_of(words), ["complete"] * 4)
    )
    assert main(["scale=tiny"]) == 0
    stem = tmp_path / "results/repro_curves_tiny"
    table = read_curves(stem.with_suffix(".csv"))
    assert table.names == tuple(COLUMNS)
    assert table.curves[2].tolist() == pytest.approx([3, 2.5, 2.33333])
    assert of_qsvr.read_curves(stem.with_suffix(".csv")).names == tuple(COLUMNS)
    physics = stem.with_name("repro_curves_tiny_physics.csv").read_text().splitlines()
    assert physics[0].startswith("number,epoch_s,tower_accuracy_0,tower_accuracy_1,")
    assert physics[3] == "2,0.5,0.1123,0.2123,0.3123,1.1,1.2,1.3"
    result = json.loads(stem.with_suffix(".json").read_text())
    assert result["ours"]["final_quartiles"][0] == pytest.approx(1 / 3, abs=1e-5)
    assert result["ours"]["spearman"] == {"1": 1.0, "2": 1.0}
    assert (result["n_left_out"], result["epoch_s"], result["published"]) == (0, 0.5, None)
    assert stem.with_suffix(".png").stat().st_size > 10_000
    assert "0 left out; an epoch took 0.50 s" in capsys.readouterr().out


def sweep_of(words):
    return Path(words[-1].partition("=")[2])


def test_the_published_columns_are_those_of_the_published_table():
    file = Path(__file__).parents[4] / "shared/data/curves/mlpf_delphes.csv"
    if not file.is_file():
        pytest.skip("no published table")
    with file.open() as lines:
        assert next(lines).split(",")[:8] == [*COLUMNS, "loss_0"]


def test_the_sweep_composes_and_each_random_configuration_trains_to_its_end():
    _, _, *words, _ = sweep_arguments(SIZES["small"], Path("out"), [])
    with hydra.initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = hydra.compose("train", words, return_hydra_config=True)
    sweeper = cfg.hydra.sweeper
    assert {*sweeper.params} == {*COLUMNS.values()}
    assert sweeper.pruner._target_ == "optuna.pruners.NopPruner"
    assert (cfg.hpo.n_trials, cfg.trainer.max_epochs) == (300, 100)
    assert cfg.optimizer._target_ == "torch.optim.AdamW"


def test_ranks_are_correlated_and_not_values():
    a = np.array([1.0, 2.0, 3.0, 4.0])
    assert spearman(a, np.exp(a)) == 1.0
    assert spearman(a, np.array([1.0, 2.0, 4.0, 3.0])) == pytest.approx(0.8)
    losses = np.array([[3.0, 1.0], [2.0, 2.0], [1.0, 3.0]])
    assert figures_of(losses)["spearman"] == {"1": -1.0}


def test_the_published_size_is_one_command(capsys):
    assert main(["scale=full"]) == 0
    assert "hpo=learning_curves" in capsys.readouterr().out
    assert cluster_commands()[0].gpu_h == pytest.approx(300 * 100 * 2500 / 3600)
    assert own_curves.SIZES["small"].n_trainings == 300
