import pytest

from hpo.goals import Bound, Goals, goals_of
from hpo.settings import SettingError

TWO = ["minimize", "maximize"]


def test_what_is_not_stated_is_one_reported_objective_that_prunes():
    assert goals_of(None, ["minimize"]) == Goals(None, "first", {})
    assert goals_of({}, TWO).reported == 0


def test_the_objective_that_prunes_is_the_first_or_a_named_one_or_none():
    node = {"names": ["loss", "ms"]}
    assert goals_of(node, TWO).reported == 0
    assert goals_of({**node, "prune_by": "ms"}, TWO).reported == 1
    assert goals_of({**node, "prune_by": None}, TWO).prune_by is None


def test_a_bound_is_met_on_its_side():
    bounds = goals_of({"constraints": {"gb": "<= 4", "acc": ">=-1e-1"}}, TWO).constraints
    assert bounds == {"gb": Bound(1, 4.0), "acc": Bound(-1, -0.1)}
    assert bounds["gb"].excess(5) == 1
    assert bounds["acc"].excess(0.0) < 0


@pytest.mark.parametrize(
    ("node", "told"),
    [
        (5, "goals must be null or a mapping"),
        ({"name": ["a", "b"]}, "goals.name: no such key; did you mean names?"),
        ({"names": ["a"]}, "goals.names must be 2 different names, one per direction, got ['a']"),
        ({"names": ["a", "a"]}, "goals.names must be 2 different names"),
        ({"names": "ab"}, "goals.names must be 2 different names"),
        ({"prune_by": "loss"}, "goals.prune_by must be one of first, null, got 'loss'"),
        ({"constraints": {"gb": 4}}, "goals.constraints.gb must be a bound such as '<= 4'"),
        ({"constraints": {"gb": "< 4"}}, "goals.constraints.gb must be a bound"),
        ({"constraints": {"gb": "<= 4.4.4"}}, "goals.constraints.gb must be a bound"),
        ({"constraints": ["gb"]}, "goals.constraints must be a mapping"),
    ],
)
def test_what_cannot_be_a_goal_is_one_line(node, told):
    with pytest.raises(SettingError) as refused:
        goals_of(node, TWO)
    assert told in refused.value.naming(str)
