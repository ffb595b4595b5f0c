import numpy as np
import pytest

from qsvr.checks import check_count, check_number


@pytest.mark.parametrize("value", [1, np.int64(3)])
def test_integers_in_range_pass(value):
    check_count("n", value)


@pytest.mark.parametrize("value", [0.0, 1, np.float32(2.5)])
def test_numbers_in_range_pass(value):
    check_number("x", value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "n must be at least 1, got 0"),
        (2.0, "n must be an integer, got 2.0"),
        (True, "n must be an integer, got True"),
        ("auto", "n must be an integer, got 'auto'"),
        (None, "n must be an integer, got None"),
    ],
)
def test_counts_of_a_wrong_type_or_range_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        check_count("n", value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-0.1, "x must be at least 0 and finite, got -0.1"),
        (np.nan, "x must be at least 0 and finite, got nan"),
        (np.inf, "x must be at least 0 and finite, got inf"),
        ("1", "x must be a number, got '1'"),
        (np.array([1.0, 2.0]), "x must be a number, got array"),
        (False, "x must be a number, got False"),
    ],
)
def test_numbers_of_a_wrong_type_or_range_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        check_number("x", value)


def test_a_limit_may_be_excluded():
    with pytest.raises(ValueError, match="x must be greater than 0 and finite, got 0"):
        check_number("x", 0, above=True)
