"""The live features: their commands, and a mistake on the command line."""

import optuna
import pytest

from benchmarks.reproduce.features import FEATURES, main
from commons.cli import Failure
from hpo.storage.opening import open_storage


def test_each_feature_is_asked_for_by_its_own_key():
    asked = {name: " ".join(feature.overrides) for name, feature in FEATURES.items()}
    assert "hpo=pbt" in asked["pbt"]
    assert "hpo.gpus_per_trial={0: 1, 1: 2}" in asked["growing"]
    assert "objective.name=[val_loss,inference_time_ms]" in asked["objectives"]
    assert [name for name, feature in FEATURES.items() if feature.on_slurm] == ["growing"]


def test_the_front_is_counted(tmp_path):
    (tmp_path / "front.csv").write_text("number,a,b\n1,0.5,2\n4,0.7,1\n")
    assert FEATURES["objectives"].shown(tmp_path) == "2 trials on the Pareto front"


def test_a_sweep_whose_trials_have_not_grown_is_a_failure(tmp_path):
    study = optuna.create_study(study_name="asha_promotion", storage=open_storage(None, tmp_path))
    for last_step in (1, 3):
        trial = study.ask()
        for step in range(1, last_step + 1):
            trial.report(1.0, step)
    with pytest.raises(Failure, match="growing: no trial ran on two ranks"):
        FEATURES["growing"].shown(tmp_path)
    (tmp_path / "workers/a").mkdir(parents=True)
    (tmp_path / "workers/a/1_0_log.out").write_text("trains on 2 ranks")
    assert FEATURES["growing"].shown(tmp_path) == "1 trials went on with 2 ranks instead of 1"


@pytest.mark.parametrize(
    ("argument", "told"),
    [("features=[magic]", "features=magic: expected one of pbt, growing, objectives"),
     ("features=[]", "features: name at least one")],
)  # fmt: skip
def test_what_cannot_be_shown_is_one_line(argument, told, capsys, tmp_path):
    assert main([argument, f"out={tmp_path}"]) == 2
    assert told in capsys.readouterr().err
