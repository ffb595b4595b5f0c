import numpy as np
import pytest

from mlpf.physics.results import divide, number, ratio_row, row, rows


def test_a_row_has_the_value_of_all_events_and_the_spread_of_the_draws():
    found = row("met", "all", "mlpf", np.array([5.0, 4.0, 6.0, np.nan]), 7, "GeV")
    assert found.as_dict() == {
        "name": "met",
        "selection": "all",
        "column": "mlpf",
        "value": 5.0,
        "error": pytest.approx(2**0.5),
        "n": 7,
        "unit": "GeV",
    }


def test_the_error_of_a_difference_is_the_paired_one():
    rules = np.array([1.0, 0.0, 2.0, 1.0])
    found = list(rows("a", "all", {"rules": rules, "mlpf": rules + 0.5}, 3))
    assert [r.column for r in found] == ["rules", "mlpf", "mlpf-rules"]
    assert found[2].value == 0.5
    assert found[2].error == 0
    assert found[0].error == 1


def test_a_ratio_and_a_difference_need_both_columns():
    only = {"mlpf": np.ones(3)}
    assert not list(ratio_row("r", "all", only, 1))
    assert [r.column for r in rows("a", "all", only, {"mlpf": 4})] == ["mlpf"]
    both = only | {"rules": np.full(3, 2.0)}
    assert [r.value for r in ratio_row("r", "all", both, 1)] == [0.5]


def test_what_is_not_finite_is_none_in_json():
    assert number(np.nan) is None
    assert number(np.inf) is None
    assert number(1 / 3) == 0.33333333


def test_nothing_divided_by_nothing_is_nan_without_a_warning():
    assert np.isnan(divide(0, 0))
    assert np.isnan(divide(np.ones(2), np.array([0.0, 1.0]))[0])
