import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hpo.search.space import parse_space, render


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("interval(0, 1)", FloatDistribution(0, 1)),
        ("interval(-1.5, 2)", FloatDistribution(-1.5, 2)),
        ("tag(log, interval(1e-4, 3e-2))", FloatDistribution(1e-4, 3e-2, log=True)),
        ("int(interval(1, 8))", IntDistribution(1, 8)),
        ("tag(log, int(interval(1, 1024)))", IntDistribution(1, 1024, log=True)),
        ("range(1, 5)", IntDistribution(1, 4)),
        ("range(10, 2010, 10)", IntDistribution(10, 2000, step=10)),
        ("range(1, 10, 4)", IntDistribution(1, 9, step=4)),
        ("range(5, 1, -2)", IntDistribution(3, 5, step=2)),
        ("range(0, 1, 0.25)", FloatDistribution(0, 0.75, step=0.25)),
        ("tag(log, range(1, 9))", IntDistribution(1, 8, log=True)),
        ("choice(a, b)", CategoricalDistribution(["a", "b"])),
        ("choice(1, 2.5, true, 'x y')", CategoricalDistribution([1, 2.5, True, "x y"])),
        ("1,2,null", CategoricalDistribution([1, 2, None])),
        ("'1','2'", CategoricalDistribution(["1", "2"])),
        ("[1,2],[3]", CategoricalDistribution(["[1,2]", "[3]"])),
    ],
)
def test_each_sweep_of_the_grammar_becomes_its_distribution(text, expected):
    assert parse_space({"key": text}, []).distributions == {"key": expected}
    assert parse_space({}, [f"key={text}"]).distributions == {"key": expected}


@pytest.mark.parametrize(
    "text",
    [
        "interval(2, 1)",
        "tag(log, interval(0, 1))",
        "range(3, 3)",
        "tag(fog, range(1, 3))",
        "tag(log, range(1, 9, 2))",
        "interval(1",
        "choice()",
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused_by_the_name_of_its_key(text):
    with pytest.raises(ValueError, match=r"^model\.width"):
        parse_space({"model.width": text}, [])


def test_the_command_line_replaces_adds_and_fixes():
    space = parse_space(
        {"a": "range(0, 3)", "b": "range(0, 3)", "c": "range(0, 3)", "d": 7},
        ["a=interval(0, 1)", "b=2", "+e=1,2", "~f", "g=x", "++c=5"],
    )
    assert space.distributions == {
        "a": FloatDistribution(0, 1),
        "+e": CategoricalDistribution([1, 2]),
    }
    assert space.fixed == ("b=2", "++c=5", "d=7", "~f", "g=x")


def test_a_trial_gets_the_fixed_overrides_verbatim_and_its_values_quoted_as_needed():
    space = parse_space(
        {"a": "choice('x y', z)", "b": "[1,2],{k: v}"}, ["g='p q'", "n=interval(0,1)"]
    )
    overrides = space.overrides({"a": "x y", "b": "[1,2]", "n": 1e-05})
    assert overrides == ["g='p q'", "a=x y", "b=[1,2]", "n=1e-05"]
    assert space.overrides({"b": "{k:v}"})[-1] == "b={k:v}"


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()))
def test_any_value_survives_being_an_override(value):
    parsed = OverridesParser.create().parse_override(f"key={render(value)}").value()
    assert parsed == value
    assert type(parsed) is type(value)


def test_parameters_a_trial_already_has_are_kept():
    space = parse_space({"a": "interval(0, 1)", "b": "range(0, 5)", "c": "choice(x,y)"}, [])
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    study.enqueue_trial({"a": 0.25})
    trial = study.ask()
    space.suggest(trial)
    assert trial.params["a"] == 0.25
    before = trial.params
    space.suggest(trial)
    assert trial.params == before
    assert set(before) == {"a", "b", "c"}
