import pytest

from hpo.goals import Bound, Goals, directions_of, goals_of
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


def test_one_direction_is_that_of_all_names():
    assert directions_of("minimize", {"names": ["a", "b", "c"]}) == ["minimize"] * 3
    assert directions_of("minimize", {"names": "loss"}) == ["minimize"]
    assert directions_of("maximize", None) == directions_of(["maximize"], None) == ["maximize"]
    assert directions_of(TWO, {"names": ["a", "b"]}) == TWO
    assert directions_of("minimize", Goals(("a", "b"))) == ["minimize"] * 2


def test_one_objective_may_have_a_name():
    assert goals_of({"names": "loss"}, ["minimize"]).names == ("loss",)


def test_the_best_is_by_the_first_objective_or_a_named_one_or_weights():
    node = {"names": ["loss", "ms"]}
    assert goals_of(node, TWO).best == (1.0, 0.0)
    assert goals_of(None, ["minimize"] * 3).best == (1.0, 0.0, 0.0)
    assert goals_of({**node, "best": "ms"}, TWO).best == (0.0, 1.0)
    assert goals_of({**node, "best": {"ms": 2}}, TWO).best == (0.0, 2.0)
    assert goals_of({**node, "best": {"ms": 0.5, "loss": 1}}, TWO).best == (1.0, 0.5)


NAMED = {"names": ["loss", "ms"]}


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
        ({"best": "los"}, "goals.best must be one of first, or weights such as"),
        ({**NAMED, "best": "los"}, "goals.best must be one of first, loss, ms, or weights"),
        ({**NAMED, "best": 3}, "goals.best must be one of first, loss, ms, or weights"),
        ({**NAMED, "best": None}, "goals.best must be one of first, loss, ms, or weights"),
        ({**NAMED, "best": {"los": 1}}, "goals.best.los: no such objective; did you mean loss?"),
        ({**NAMED, "best": {"x": 1}}, "goals.best.x: no such objective (they are loss, ms)"),
        ({"best": {"x": 1}}, "goals.best.x: no such objective (goals.names has none)"),
        ({**NAMED, "best": {"ms": -1}}, "goals.best.ms must be a number of at least 0, got -1"),
        ({**NAMED, "best": {"ms": True}}, "goals.best.ms must be a number of at least 0"),
        ({**NAMED, "best": {"ms": float("inf")}}, "goals.best.ms must be a number of at least 0"),
        ({**NAMED, "best": {"ms": 0}}, "goals.best: one weight must be more than 0"),
        ({**NAMED, "best": {}}, "goals.best: one weight must be more than 0"),
    ],
)
def test_what_cannot_be_a_goal_is_one_line(node, told):
    with pytest.raises(SettingError) as refused:
        goals_of(node, TWO)
    assert told in refused.value.naming(str)
