from pathlib import Path

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hpo.curves import CurveTable, infer_distribution, read_curves

MLPF = Path(__file__).parents[3] / "shared/data/curves/mlpf_delphes.csv"
TEXT = "lr,units,acc_0,acc_1\n0.1,8,0.5,0.7\n0.001,64,0.25,\n"


@pytest.fixture
def file(tmp_path):
    """Makes a CSV file."""

    def make(text):
        path = tmp_path / "curves.csv"
        path.write_text(text)
        return path

    return make


def test_an_accuracy_table_is_read_and_mirrored(file):
    table = read_curves(file(TEXT), prefix="acc_", direction="maximize")
    assert table.names == ("lr", "units")
    np.testing.assert_array_equal(table.hyperparameters, [[0.1, 8], [0.001, 64]])
    np.testing.assert_array_equal(table.losses, [[-0.5, -0.7], [-0.25, np.inf]])
    assert table.params(1) == {"lr": 0.001, "units": 64}
    assert isinstance(table.params(1)["units"], int)


def test_named_hyperparameters_keep_their_order_and_the_others_are_ignored(file):
    table = read_curves(file("a,b,c,loss_0,loss_1\n1,2,x,5,4\n3,4,y,6,5\n"), ["b", "a"])
    np.testing.assert_array_equal(table.hyperparameters, [[2, 1], [4, 3]])


def test_a_column_without_a_name_is_no_hyperparameter(file):
    assert read_curves(file(",a,loss_0,loss_1\n0,2,5,4\n1,3,6,5\n")).names == ("a",)


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("", {}, "no line of data below a header"),
        ("a,loss_0,loss_1\n", {}, "no line of data below a header"),
        (TEXT, {}, "no columns loss_0, loss_1, ...; set prefix="),
        ("a,loss_0,loss_2\n1,2,3\n", {}, "no column loss_1"),
        ("a,a,loss_0,loss_1\n1,1,2,3\n", {}, "two columns are named 'a'"),
        ("a,loss_0,loss_1\n1,2\n", {}, "line 2: 2 cells, expected 3"),
        ("a,loss_0,loss_1\n1,2,3\nx,2,3\n", {}, "line 3, column a: 'x' is not a number"),
        ("a,loss_0,loss_1\n,2,3\n", {}, "line 2: hyperparameter a is missing"),
        ("a,loss_0,loss_1\n1e308,2,3\n", {}, r"hyperparameter a is beyond \+-1e\+300"),
        ("loss_0,loss_1\n2,3\n", {}, "no column of hyperparameters"),
        ("a,loss_0,loss_1\n1,2,nan\n", {}, "no training has a value in column loss_1"),
        ("a,acc_0,acc_1,loss_0,loss_1\n1,2,3,4,5\n", {}, "acc_0, ... look like other curves"),
        ("a,loss_0,loss_1\n1,2,3\n", {"hps": ["b"]}, "no column b"),
        ("a,loss_0,loss_1\n1,2,3\n", {"hps": ["loss_0"]}, "loss_0 is a column of the curves"),
        ("a,loss_0,loss_1\n1,2,3\n", {"direction": "down"}, "minimize or maximize, got down"),
    ],
)
def test_what_does_not_fit_is_named(file, text, arguments, message):
    with pytest.raises(ValueError, match=message):
        read_curves(file(text), **arguments)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.csv: No such file"):
        read_curves(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("column", "distribution"),
    [
        ([1e-6, 1e-2, 1e-4], FloatDistribution(1e-6, 1e-2, log=True)),
        ([0.1, 0.5, 0.3], FloatDistribution(0.1, 0.5)),
        ([0, 4, 2, 6], IntDistribution(0, 6, step=2)),
        ([8, 64, 16], CategoricalDistribution([8, 16, 64])),
        ([3, 3], IntDistribution(3, 3)),
        ([*range(1, 12), 5000], IntDistribution(1, 5000, log=True)),
    ],
)
def test_distributions_are_inferred(column, distribution):
    assert infer_distribution(np.array(column, dtype=float)) == distribution


@pytest.fixture
def table():
    hyperparameters = np.array([[0.0, 1.0], [1.0, 1.5], [1.0, 1.5], [0.3, 2.0]])
    curves = np.array([[4, 3], [np.nan, 1], [2, 2], [1, np.inf]])
    return CurveTable(("a", "b"), hyperparameters, curves)


def test_what_has_diverged_stays_diverged(table):
    np.testing.assert_array_equal(table.losses, [[4, 3], [np.inf, np.inf], [2, 2], [1, np.inf]])


def test_the_nearest_rows_are_all_trainings_of_one_configuration(table):
    rows = np.arange(4)
    assert table.nearest({"a": 0.9, "b": 1.4}, rows).tolist() == [1, 2]
    assert table.nearest({"a": 0.2, "b": 1.9}, rows).tolist() == [3]
    assert table.nearest({"a": 0.9, "b": 1.4}, rows[[0, 2, 3]]).tolist() == [2]
    assert len(set(table.groups)) == 3


def test_without_rows_the_search_space_stays(table):
    smaller = table.without([0, 3])
    assert len(smaller) == 2
    assert smaller.distributions == table.distributions
    assert smaller.nearest({"a": 0.0, "b": 1.0}, np.arange(2)).tolist() == [0, 1]


@pytest.mark.skipif(not MLPF.is_file(), reason="the published learning curves are not here")
def test_the_published_table_has_seven_hyperparameters_and_183_configurations():
    table = read_curves(MLPF)
    assert table.hyperparameters.shape == (296, 7)
    assert table.n_epochs == 100
    assert table.groups.max() == 182
    assert table.distributions["lr"].log
    assert table.distributions["n_glayers_id"] == IntDistribution(0, 4)
    assert table.distributions["bin_size"].choices == (8, 16, 32, 64, 128)


def test_a_column_has_the_seconds_of_an_epoch(tmp_path):
    path = tmp_path / "timed.csv"
    path.write_text("lr,seconds,loss_0,loss_1\n1,10,3,2\n2,20.5,3,2\n3,30,3,2\n")
    table = read_curves(path, epoch_s="seconds")
    assert table.names == ("lr",)
    assert table.epoch_s.tolist() == [10, 20.5, 30]
    assert table.without([1]).epoch_s.tolist() == [10, 30]
    assert read_curves(path).names == ("lr", "seconds")


@pytest.mark.parametrize("seconds", ["0", "-1", "", "inf"])
def test_a_time_that_cannot_be_is_refused_with_its_line(tmp_path, seconds):
    path = tmp_path / "timed.csv"
    path.write_text(f"lr,seconds,loss_0,loss_1\n1,10,3,2\n2,{seconds},3,2\n")
    with pytest.raises(ValueError, match=r"timed.csv, line 3: seconds is no time of an epoch"):
        read_curves(path, epoch_s="seconds")
