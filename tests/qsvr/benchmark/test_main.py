import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import r2_score

from qsvr.benchmark.__main__ import main
from qsvr.benchmark.curves import LearningCurves, read_curves
from qsvr.benchmark.models import Score, combinations, evaluate, score, svr_published
from qsvr.benchmark.protocols import (
    CorrectedSpace,
    PublishedSpace,
    few_of_pool,
    first_few,
    grouped_few,
    grouped_most,
    most,
)
from qsvr.benchmark.recorded import combined_scores, read_runs, single_scores
from qsvr.benchmark.rows import make_row

SHARED = Path(__file__).parents[4] / "shared/data"
CURVES_CSV = SHARED / "curves/mlpf_delphes.csv"
QPU = SHARED / "qpu"

with_curves = pytest.mark.skipif(not CURVES_CSV.is_file(), reason=f"{CURVES_CSV} is not there")
with_runs = pytest.mark.skipif(
    not (CURVES_CSV.is_file() and QPU.is_dir()), reason=f"{SHARED} has no recorded runs"
)


@pytest.fixture(autouse=True)
def no_token(monkeypatch):
    monkeypatch.delenv("DWAVE_API_TOKEN", raising=False)


@pytest.fixture(scope="module")
def mlpf():
    return read_curves(CURVES_CSV)


def generated(n_rows=60, n_epochs=12):
    rng = np.random.default_rng(0)
    hps = rng.integers(1, 5, size=(n_rows, 3)).astype(float)
    final = hps @ [0.3, -0.1, 0.0] + 0.05 * rng.normal(size=n_rows)
    curves = final[:, None] + np.exp(-np.arange(n_epochs) / 3)
    return LearningCurves(hps, ("a", "b", "c"), curves)


@with_curves
def test_the_published_svr_row_comes_out_to_the_digit(mlpf):
    space = PublishedSpace(mlpf, 25)
    folds = (space.fold(first_few(mlpf, 123 + i)) for i in range(1000))
    swapped = np.array([r2_score(svr_published(*fold, 0)[0], fold[1].target) for fold in folds])
    found = swapped.max(), swapped.min(), swapped.mean(), swapped.std()
    np.testing.assert_allclose(found, (0.9572, 0.4373, 0.8904, 0.0478), atol=5e-5)


@with_curves
def test_twenty_trainings_beat_the_untrained_prediction_where_the_published_svr_does_not(mlpf):
    space = PublishedSpace(mlpf, 25)
    models = ("SVR, published", "SVR", "Sim-QSVR")
    fits = [evaluate(space.fold(few_of_pool(mlpf, s)), models, s) for s in range(1000, 1010)]
    mean = {name: np.mean([fit[name].r2[0] for fit in fits]) for name in fits[0]}
    assert mean["SVR, published"] < mean["untrained"] < min(mean["SVR"], mean["Sim-QSVR"])
    assert np.mean([fit["Sim-QSVR"].rho for fit in fits]) > 0.965


@with_runs
def test_recorded_runs_give_their_stored_r2(mlpf):
    single, combination = read_runs(QPU)
    chosen, untrained, difference = single_scores(mlpf, single)
    assert difference < 1e-9
    swapped = np.array([each.swapped[0] for each in chosen])
    found = swapped.max(), swapped.min(), swapped.mean(), swapped.std()
    np.testing.assert_allclose(found, (0.9483, 0.7425, 0.8809, 0.0561), atol=5e-5)
    assert len(untrained) == 10
    assert combined_scores(mlpf, combination)[2] < 1e-9


@with_runs
def test_runs_of_another_table_or_with_another_r2_are_refused(mlpf):
    single, _ = read_runs(QPU)
    other = {**single, "X3": single["X3"] + 0.1}
    with pytest.raises(ValueError, match="not made from these curves"):
        single_scores(mlpf, other)
    other = {**single, "r2_published": single["r2_published"] + 1e-6}
    with pytest.raises(ValueError, match="differ from the stored ones by 1e-06"):
        single_scores(mlpf, other)


def test_a_pickle_among_the_recorded_runs_is_not_opened(tmp_path):
    with pytest.raises(ValueError, match=r"no single20\.npz there"):
        read_runs(tmp_path)
    np.savez(tmp_path / "single20.npz", X0=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"single20\.npz: not an archive"):
        read_runs(tmp_path)


@pytest.mark.parametrize("splitter", [grouped_few, grouped_most])
def test_no_configuration_is_on_both_sides_of_a_grouped_split(splitter):
    curves = generated()
    groups = curves.groups()
    assert len(set(groups)) < len(groups)
    for seed in range(20):
        train, test = splitter(curves, seed)
        assert not set(groups[train]) & set(groups[test])


@pytest.mark.parametrize(
    ("splitter", "n_train"), [(first_few, 20), (few_of_pool, 20), (most, 47), (grouped_few, 20)]
)
def test_splits_have_their_size_and_share_no_row(splitter, n_train):
    train, test = splitter(generated(), 5)
    assert len(train) == n_train
    assert not set(train) & set(test)


def test_corrected_scales_do_not_see_the_test_rows():
    curves = generated()
    split = grouped_few(curves, 0)
    test = split[1]
    changed = curves.curves.copy()
    changed[test] *= 50
    hps = curves.hyperparameters.copy()
    hps[test] += 9
    before, _ = CorrectedSpace(curves, 3).fold(split)
    after, _ = CorrectedSpace(LearningCurves(hps, curves.names, changed), 3).fold(split)
    for name in ("points", "features", "target"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))


def test_the_published_space_leaves_out_the_worst_training_and_the_last_epoch():
    curves = generated()
    changed = curves.curves.copy()
    changed[:, -1] = np.where(changed[:, -1] == changed[:, -1].max(), 99, changed[:, -1])
    space = PublishedSpace(LearningCurves(curves.hyperparameters, curves.names, changed), 3)
    assert space.n_rows == 59
    everything = np.arange(59)
    kept = changed[:, -1] != 99
    target = space.fold((everything, everything))[0].target
    np.testing.assert_array_equal(np.argsort(target), np.argsort(changed[kept, -2]))


def test_both_orders_of_the_arguments_of_r2_are_kept():
    target, predicted = np.array([0.0, 1.0, 2.0]), np.array([[0.5, 1.0, 1.5]])
    found = score(target, predicted, 0.1)
    assert found.r2 == pytest.approx((1 - 0.5 / 2,))
    assert found.swapped == pytest.approx((1 - 0.5 / 0.5,))
    assert found.rho == pytest.approx(1)
    assert score(target, np.ones((1, 3)), 0.1).rho == 0


def test_combinations_weigh_solutions_by_their_training_error():
    solutions = np.arange(3.0)[:, None, None] * np.ones((3, 2, 4))
    errors = np.array([[0.2, 0.2], [0.1, 0.1], [0.4, 0.4]])
    found = combinations(solutions, errors)[:, 0, 0]
    weights = np.array([1 / 0.04, 1 / 0.01, 1 / 0.16])
    assert found[0] == pytest.approx(weights @ [0, 1, 2] / weights.sum())
    assert found[1] == pytest.approx(1)
    assert found[4:].tolist() == [1, 1, 0]


def test_a_row_pairs_fits_of_the_same_split():
    def scores(values):
        return [Score((value,), (value / 2,), 0.5, 0.1) for value in values]

    row = make_row("m", "quantile", 0.25, 20, scores([0.8, 0.9]), scores([0.7, 0.7]))
    assert (row.best, row.worst, row.n_fits) == (0.9, 0.8, 2)
    assert row.mean == pytest.approx(0.85)
    assert row.std == pytest.approx(0.05)
    assert row.minus_untrained.mean == pytest.approx(0.15)
    assert row.minus_untrained.se == pytest.approx(0.05)
    assert row.minus_classical is None
    swapped = make_row("m", "published", 0.25, 20, scores([0.8, 0.9]), scores([0.7, 0.7]))
    assert swapped.mean == pytest.approx(0.425)


def write_table(path, n_rows=40):
    curves = generated(n_rows)
    header = [*curves.names, *(f"acc_{epoch}" for epoch in range(12))]
    table = np.concatenate([curves.hyperparameters, -curves.curves], axis=1)
    np.savetxt(path, table, delimiter=",", header=",".join(header), comments="")


def test_the_command_writes_table_json_and_picture_of_an_accuracy_table(tmp_path, capsys):
    write_table(tmp_path / "acc.csv")
    arguments = ["hps=[a,b]", "prefix=acc_", "direction=maximize", "n_splits=2", "n_jobs=1"]
    assert main([f"curves={tmp_path / 'acc.csv'}", *arguments, f"out={tmp_path / 'out'}"]) == 0
    shown = capsys.readouterr().out
    assert "40 trainings of 12 epochs; hyperparameters: a, b" in shown
    assert "R2 with swapped arguments" in shown
    content = json.loads((tmp_path / "out/benchmark.json").read_text())
    assert content["settings"]["direction"] == "maximize"
    rows = content["rows"]
    assert {row["protocol"] for row in rows} == {"published", "quantile", "corrected"}
    assert {row["fraction"] for row in rows} == {0.5, 0.25, 0.1, 0.05, 0.02}
    assert all(row["published"] is None for row in rows)
    keys = "model protocol fraction n_train n_fits best worst mean std rho cpu_s_per_fit"
    assert set(keys.split()) <= set(rows[0])
    honest = {(row["protocol"], row["model"]) for row in rows if row["protocol"] == "corrected"}
    assert ("corrected", "Sim-QSVR") in honest
    assert (tmp_path / "out/benchmark.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["curves=nowhere.csv"], "nowhere.csv: No such file"),
        (["curvs=a.csv"], "curvs"),
        (["n_splits=2"], "curves"),
        (["curves=a.csv", "n_splits=0"], "n_splits must be at least 2, got 0"),
        (["curves=a.csv", "n_splits=many"], "n_splits"),
        (["curves=a.csv", "seed=-1"], "seed must be"),
        (["nonsense"], "nonsense"),
    ],
)
def test_a_wrong_argument_is_one_line(arguments, message, capsys):
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_table_that_is_too_small_is_refused(tmp_path, capsys):
    write_table(tmp_path / "small.csv", n_rows=19)
    assert main([f"curves={tmp_path / 'small.csv'}", "prefix=acc_"]) == 1
    assert "at least 20 trainings of 4 epochs are needed, got 19 of 12" in capsys.readouterr().err


def test_too_few_configurations_are_refused(tmp_path, capsys):
    write_table(tmp_path / "acc.csv")
    assert main([f"curves={tmp_path / 'acc.csv'}", "prefix=acc_", "hps=[a]"]) == 1
    assert "at least 10 different configurations are needed" in capsys.readouterr().err


def test_an_empty_prefix_means_bare_numbers(tmp_path, capsys):
    write_table(tmp_path / "acc.csv")
    assert main([f"curves={tmp_path / 'acc.csv'}", "prefix="]) == 1
    assert "no columns 0, 1, ...; set prefix=" in capsys.readouterr().err


def test_help_explains(capsys):
    assert main(["--help"]) == 0
    assert "prefix" in capsys.readouterr().out
    assert main([]) == 2
