"""Every option of `conf/hpo` composes with the training and builds what it names."""

from pathlib import Path

import optuna
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate

from hpo.search.pbt import PopulationPruner
from hpo.search.space import parse_space
from hpo.settings import SweepSettings

CONF = Path(__file__).parents[2] / "conf"
OPTIONS = sorted(f.stem for f in (CONF / "hpo").glob("*.yaml") if not f.stem.startswith("_"))


@pytest.fixture
def sweeper():
    """Composes like the command line does; returns the sweeper's settings."""

    def settings(*overrides):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        return instantiate(config.hydra.sweeper)._options

    yield settings
    HydraConfig.instance().cfg = None


def test_the_documented_searches_exist():
    assert OPTIONS == [
        "asha",
        "asha_bo",
        "asha_gp",
        "asha_promotion",
        "best",
        "bohb",
        "freeze_thaw",
        "hyperband",
        "learning_curves",
        "pbt",
        "qsvr",
        "random",
        "tpe",
    ]


@pytest.mark.parametrize("option", OPTIONS)
def test_each_search_names_a_sampler_a_pruner_and_a_space(sweeper, option):
    chosen = sweeper(f"hpo={option}")
    assert chosen.pop("n_jobs") is None
    options = SweepSettings(**chosen)
    assert isinstance(instantiate(options.sampler), optuna.samplers.BaseSampler)
    assert isinstance(instantiate(options.pruner), optuna.pruners.BasePruner)
    assert options.study_name == option
    assert options.n_trials == (300 if option == "learning_curves" else 30)
    space = set(parse_space(options.params, []).distributions)
    if option == "pbt":  # what may change in the middle of a training
        assert space == {
            "optimizer.lr",
            "optimizer.weight_decay",
            "model.dropout",
            "trainer.gradient_clip_val",
        }
    elif option == "learning_curves":
        assert len(space) == 7
    else:
        assert space == {
            "optimizer.lr",
            "scheduler.expdecay_decay_steps",
            "model.dropout",
            "model.clip_value_low",
            "model.dist_mult",
        }


def test_a_population_knows_the_epochs_of_a_full_trial_and_the_seed(sweeper):
    options = sweeper("hpo=pbt", "trainer.max_epochs=27", "seed=5", "hpo.pruner.explore=bandit")
    assert (options["pruner"]["max_resource"], options["pruner"]["seed"]) == (27, 5)
    assert isinstance(instantiate(options["pruner"]), PopulationPruner)


def test_the_pruner_can_be_swapped_alone(sweeper):
    options = sweeper("hpo=asha_bo", "hpo/pruner=median")
    assert options["pruner"]["_target_"] == "optuna.pruners.MedianPruner"
    assert options["sampler"]["_target_"] == "hpo.DiverseSampler"


def test_hyperband_knows_the_epochs_of_a_full_trial(sweeper):
    options = sweeper("hpo=hyperband", "trainer.max_epochs=27")
    assert options["pruner"]["max_resource"] == 27


@pytest.mark.parametrize("space", ["stage1", "stage2", "curves7"])
def test_each_search_space_is_in_the_grammar(sweeper, space):
    options = sweeper("hpo=random", f"search_space={space}")
    assert parse_space(options["params"], []).distributions


def test_the_sweep_folder_has_the_name_of_the_study(sweeper):
    sweeper("hpo=asha_bo", "hpo.study_name=mine", "launcher=local")
    assert HydraConfig.get().sweep.dir == "outputs/sweeps/mine"
    assert HydraConfig.get().launcher.threads_per_worker == 1


@pytest.mark.parametrize("pruner", ["svr", "qsvr"])
def test_forecasts_can_take_the_place_of_the_pruner(sweeper, pruner):
    options = sweeper("hpo=asha_bo", f"hpo/pruner={pruner}", "trainer.max_epochs=27")
    assert options["sampler"]["_target_"] == "hpo.DiverseSampler"
    assert options["pruner"]["max_resource"] == 27
    assert options["pruner"]["wrapped"] is None  # successive halving for as many epochs
    assert isinstance(instantiate(options["pruner"]), optuna.pruners.BasePruner)


def test_qsvr_is_asha_bo_with_another_pruner(sweeper):
    assert sweeper("hpo=qsvr", "hpo.study_name=s") == sweeper(
        "hpo=asha_bo", "hpo/pruner=qsvr", "hpo.study_name=s"
    )


@pytest.mark.parametrize("regressor", ["last", "linear", "gp", "svr", "qsvr"])
def test_freeze_thaw_takes_each_regressor(sweeper, regressor):
    options = sweeper("hpo=freeze_thaw", f"hpo.pruner.forecaster.regressor={regressor}")
    assert instantiate(options["pruner"]).may_begin(optuna.create_study())
