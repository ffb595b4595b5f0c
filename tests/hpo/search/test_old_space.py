import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hpo.search.old_space import in_grammar, is_old_entry
from hpo.search.space import parse_space


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"type": "float", "low": -5.5, "high": 5.5}, FloatDistribution(-5.5, 5.5)),
        (
            {"type": "float", "low": -5.5, "high": 5.5, "step": 0.5},
            FloatDistribution(-5.5, 5.5, step=0.5),
        ),
        ({"type": "float", "low": 0, "high": 1, "step": 0.3}, FloatDistribution(0, 0.9, step=0.3)),
        (
            {"type": "float", "low": 1e-5, "high": 1, "log": True},
            FloatDistribution(1e-5, 1, log=True),
        ),
        ({"type": "int", "low": 1, "high": 8}, IntDistribution(1, 8)),
        ({"type": "int", "low": 1, "high": 8, "step": 2}, IntDistribution(1, 7, step=2)),
        (
            {"type": "int", "low": 1, "high": 8, "step": 1, "log": True},
            IntDistribution(1, 8, log=True),
        ),
        (
            {"type": "categorical", "choices": [1, "a b", None, True]},
            CategoricalDistribution([1, "a b", None, "True"]),
        ),
        (
            {"type": "float", "low": 0, "high": 1, "step": None, "log": False, "choices": None},
            FloatDistribution(0, 1),
        ),
    ],
)
def test_each_type_becomes_its_distribution(entry, expected):
    assert is_old_entry(entry)
    assert parse_space({"key": entry}, []).distributions == {"key": expected}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"type": "uniform", "low": 0, "high": 1}, "int, float or categorical, got uniform"),
        ({"type": "int", "low": 0}, "needs high"),
        ({"type": "categorical", "low": 0}, "needs choices"),
        ({"type": "float", "low": 0, "high": 1, "stepp": 1}, "stepp has no meaning"),
        ({"type": "float", "low": 0, "high": 1, "choices": [1]}, "choices has no meaning"),
        ({"type": "float", "low": 1, "high": 9, "step": 2, "log": True}, "exclude each other"),
        ({"type": "int", "low": 0.5, "high": 9}, "numbers of its type .int., got 0.5"),
        ({"type": "float", "low": "a", "high": 9}, "got 'a'"),
    ],
)
def test_what_an_entry_lacks_or_has_too_much_is_one_line_with_its_key(entry, message):
    with pytest.raises(ValueError, match=f"^model.width: .*{message}"):
        in_grammar("model.width", entry, str)


@pytest.mark.parametrize("value", [3, "interval(0, 1)", {"type": "adam"}, {"low": 1}, [1], None])
def test_other_values_are_no_such_entries(value):
    assert not is_old_entry(value)
