import numpy as np
import pytest

from qsvr.benchmark.curves import read_curves


def write(folder, text):
    path = folder / "table.csv"
    path.write_text(text)
    return path


def test_all_columns_but_the_curve_are_hyperparameters(tmp_path):
    path = write(tmp_path, "lr,loss_0,loss_1,depth\n0.1,5,4,2\n0.2,6,3,1\n")
    table = read_curves(path)
    assert table.names == ("lr", "depth")
    np.testing.assert_array_equal(table.hyperparameters, [[0.1, 2], [0.2, 1]])
    np.testing.assert_array_equal(table.curves, [[5, 4], [6, 3]])
    np.testing.assert_array_equal(table.losses, table.curves)


def test_epochs_are_in_numerical_order_whatever_the_order_of_columns(tmp_path):
    epochs = [f"loss_{epoch}" for epoch in range(12)]
    header = ",".join(["lr", *sorted(epochs)])
    values = ",".join(["1", *(name.removeprefix("loss_") for name in sorted(epochs))])
    table = read_curves(write(tmp_path, f"{header}\n{values}\n"))
    np.testing.assert_array_equal(table.curves, [range(12)])


def test_an_accuracy_is_a_loss_with_the_other_sign(tmp_path):
    path = write(tmp_path, "1st_dense,acc_0,acc_1\n64,0.1,0.9\n")
    table = read_curves(path, prefix="acc_", direction="maximize")
    np.testing.assert_array_equal(table.losses, [[-0.1, -0.9]])


def test_epochs_may_be_bare_numbers(tmp_path):
    path = write(tmp_path, "index,lr,0,1,2\n0,0.1,5,4,3\n")
    table = read_curves(path, hps=["lr"], prefix="")
    np.testing.assert_array_equal(table.curves, [[5, 4, 3]])


def test_another_numbered_series_is_no_hyperparameter(tmp_path):
    path = write(tmp_path, "lr,acc_0,acc_1,acc_2,loss_0,loss_1,loss_2,dense_0\n1,2,3,4,5,6,7,8\n")
    assert read_curves(path).names == ("lr", "dense_0")


def test_rows_with_missing_values_are_left_out_and_counted(tmp_path):
    path = write(tmp_path, "lr,loss_0,loss_1\n0.1,5,\n0.2,6,3\n0.3,nan,1\n0.4,inf,1\n")
    table = read_curves(path)
    assert table.n_dropped == 3
    np.testing.assert_array_equal(table.hyperparameters, [[0.2]])


def test_a_fraction_is_at_least_one_epoch(tmp_path):
    table = read_curves(write(tmp_path, "lr,loss_0,loss_1,loss_2\n1,2,3,4\n"))
    assert [table.n_known(fraction) for fraction in (0.02, 0.5, 1)] == [1, 2, 3]


def test_groups_are_shared_by_equal_hyperparameters(tmp_path):
    path = write(tmp_path, "lr,n,loss_0,loss_1\n1,2,0,0\n1,3,0,0\n1,2,9,9\n")
    first, second, third = read_curves(path).groups()
    assert first == third != second


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "table.csv: no line of data below a header"),
        ("lr,loss_0\n1,2\n", {}, "no columns loss_0, loss_1, ...; set prefix="),
        ("lr,loss_0,loss_1\n1,2,3\n", {"hps": ["depth"]}, "table.csv: no column depth"),
        ("lr,loss_0,loss_1\n1,2,3\n", {"hps": ["loss_0"]}, "one of the curve's"),
        ("loss_0,loss_1\n1,2\n", {}, "hps: no column left"),
        ("lr,loss_0,loss_1\n1,2,x\n", {}, "line 2, column loss_1: 'x' is not a number"),
        ("lr,loss_0,loss_1\n1,2\n", {}, "line 2: 2 cells, expected 3"),
        ("lr,lr,loss_0,loss_1\n1,2,3,4\n", {}, "two columns are named 'lr'"),
        ("lr,loss_0,loss_1\n1,2,\n", {}, "no row without missing values"),
        ("lr,loss_0,loss_1\n1,2,3\n", {"direction": "up"}, "minimize or maximize, got 'up'"),
    ],
)
def test_a_bad_table_is_refused_by_name(text, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_curves(write(tmp_path, text), **options)


def test_a_file_that_is_not_there_or_binary_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.csv: No such file"):
        read_curves(tmp_path / "nowhere.csv")
    binary = tmp_path / "curves.csv"
    binary.write_bytes(b"\x80\x81\xff")
    with pytest.raises(ValueError, match=r"curves\.csv: not a CSV file"):
        read_curves(binary)
