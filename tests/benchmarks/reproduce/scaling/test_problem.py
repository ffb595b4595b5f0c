import numpy as np
from omegaconf import OmegaConf

from benchmarks.reproduce.scaling import problem
from benchmarks.reproduce.scaling.measured import ROOT
from benchmarks.reproduce.scaling.problem import SPACE, Study, loss_at, make_table


def test_curves_fall_to_the_end_that_the_hyperparameters_set():
    losses = loss_at(0.4, 0.4, 0.5, np.array([1.0, 4.0, 9.0]))
    assert losses.tolist() == [4.0, 2.5, 2.0]


def test_the_table_has_the_space_of_the_application_and_follows_from_its_seed():
    study = Study(20, 9, 2.0, 0.5)
    table = make_table(study, 3)
    assert table.curves.shape == (20, 9)
    assert (table.curves == make_table(study, 3).curves).all()
    low, high = np.array([*SPACE.values()]).T
    assert ((table.hyperparameters >= low) & (table.hyperparameters <= high)).all()
    app = OmegaConf.load(ROOT / "benchmarks/reproduce/scaling/app/app.yaml")
    intervals = {k: f"interval({a:g}, {b:g})" for k, (a, b) in problem.SPACE.items()}
    assert app.hydra.sweeper.params == intervals


def test_loading_is_counted_in_epochs():
    assert Study(1, 9, 2.0, 0.5).load_s == 1.0
