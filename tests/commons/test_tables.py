import hashlib
import os

import numpy as np
import pytest

from commons import tables
from commons.tables import read_table


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "table.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_cells_are_numbers_by_name_and_an_empty_one_is_not_a_number(file):
    table = read_table(file("lr, depth,note\n0.1, 2 ,x\n\n,inf,y\n"))
    assert table.header == ("lr", "depth", "note")
    np.testing.assert_array_equal(table.numbers(["depth", "lr"]), [[2, 0.1], [np.inf, np.nan]])


def test_a_table_knows_the_checksum_of_its_file(file):
    text = b"\xef\xbb\xbfa,b\r\n1,2\r\n"  # with the mark and the line ends of Windows
    table = read_table(file(text))
    assert table.header == ("a", "b")
    assert table.sha256 == hashlib.sha256(text).hexdigest()


def test_a_series_is_in_the_order_of_its_numbers(file):
    names = sorted(f"loss_{number}" for number in range(12))
    table = read_table(file(",".join(["lr", *names]) + "\n" + ",".join("1" * 13) + "\n"))
    assert table.series("loss_") == tuple(f"loss_{number}" for number in range(12))


def test_a_series_may_have_bare_numbers(file):
    assert read_table(file("1,0,lr\n1,2,3\n")).series("") == ("0", "1")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("lr,loss_0,acc_1", r"no columns loss_0, loss_1, \.\.\.; set prefix=\.\.\."),
        ("lr,loss_0,loss_2", "no column loss_1"),
        ("lr,loss_1,loss_2", "no column loss_0"),
        ("lr,loss_0,loss_30000000", "no column loss_1"),  # and no memory is taken for it
        ("lr,loss_0,loss_01", "no column loss_1|no columns"),
    ],
)
def test_a_series_without_gaps_is_required(file, header, message):
    with pytest.raises(ValueError, match=rf"table\.csv: {message}"):
        read_table(file(f"{header}\n1,2,3\n")).series("loss_")


def test_a_number_of_any_length_takes_no_time(file):
    text = f"lr,loss_0,loss_1,loss_{'9' * 5000}\n1,2,3,4\n"
    assert read_table(file(text)).series("loss_") == ("loss_0", "loss_1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no line of data below a header"),
        ("a,b\n", "no line of data below a header"),
        ("a,a\n1,2\n", "two columns are named 'a'"),
        ("a,b\n1,2\n\n1\n", "line 4: 1 cells, expected 2"),
        (b"\x80\x81\xff\n", "not a CSV file"),
        ("a,b\n1,x\n", "line 2, column b: 'x' is not a number"),
        ("a,c\n1,2\n", "no column b"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(file, text, message):
    with pytest.raises(ValueError, match=rf"table\.csv.{{1,2}}{message}"):
        read_table(file(text)).numbers(["a", "b"])


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.csv: No such file"):
        read_table(tmp_path / "none.csv")


def test_a_file_of_too_many_bytes_cells_or_columns_is_refused_unread(file, monkeypatch):
    path = file("a,b,c\n1,2,3\n")
    for limit, message in (
        ("MAX_COLUMNS", "3 columns; a table may have 2"),
        ("MAX_CELLS", "about 6 cells; a table may have 2"),
        ("MAX_BYTES", "12 bytes; a table may have 2"),
    ):
        monkeypatch.setattr(tables, limit, 2)
        with pytest.raises(ValueError, match=rf"table\.csv: {message}"):
            read_table(path)


def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "table.csv")
    with pytest.raises(ValueError, match=r"table\.csv: not a file"):
        read_table(tmp_path / "table.csv")
