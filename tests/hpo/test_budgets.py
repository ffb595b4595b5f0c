import pytest

from hpo.budgets import NAMES, Budget, budget_of
from hpo.settings import SettingError


def test_no_budget_is_set_by_default():
    assert budget_of(None) == budget_of({}) == budget_of(dict.fromkeys(NAMES)) == Budget()
    assert not Budget().is_set


def test_what_is_given_is_set():
    budget = budget_of({"core_hours": 50, "target": -0.5, "patience_trials": 3, "epochs": None})
    assert budget == Budget(core_hours=50, target=-0.5, patience_trials=3)
    assert budget.is_set
    assert budget_of(budget) is budget


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (50, "hpo.budget must be null or a mapping such as {core_hours: 50}, got 50"),
        ({"core_hour": 1}, "hpo.budget.core_hour: no such budget; did you mean core_hours?"),
        (
            {"epochs": 1.5},
            "hpo.budget.epochs must be a whole number of at least 1 or null, got 1.5",
        ),
        ({"epochs": 0}, "hpo.budget.epochs must be a whole number of at least 1 or null, got 0"),
        ({"patience_trials": True}, "must be a whole number of at least 1 or null, got True"),
        (
            {"core_hours": 0},
            "hpo.budget.core_hours must be a number of more than 0 or null, got 0",
        ),
        ({"gpu_hours": "10h"}, "hpo.budget.gpu_hours must be a number of more than 0 or null"),
        ({"energy_kwh": float("inf")}, "must be a number of more than 0 or null, got inf"),
        ({"target": "low"}, "hpo.budget.target must be a number or null, got 'low'"),
        ({"target": float("nan")}, "hpo.budget.target must be a number or null, got nan"),
    ],
)
def test_a_wrong_budget_is_told_with_its_key_and_what_it_must_be(node, text):
    with pytest.raises(SettingError) as told:
        budget_of(node)
    assert text in told.value.naming("hpo.{}".format)
