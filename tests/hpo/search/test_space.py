import math
import warnings
from pathlib import Path

import optuna
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hpo.search.space import parse_space, render

TOY = Path(__file__).parents[1] / "toy"


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
        ("choice(1, 2.5, true, 'x y')", CategoricalDistribution([1, 2.5, "True", "x y"])),
        ("choice(true, false)", CategoricalDistribution([True, False])),
        ("choice(null, a)", CategoricalDistribution([None, "a"])),
        ("choice(a, a, b)", CategoricalDistribution(["a", "b"])),
        ("choice({a: 1}, {a: 2})", CategoricalDistribution(["{a:1}", "{a:2}"])),
        ("shuffle(1, 2, 3)", CategoricalDistribution([1, 2, 3])),
        ("sort(3, 1, 2)", CategoricalDistribution([1, 2, 3])),
        ("shuffle(range(1, 4))", IntDistribution(1, 3)),
        ("interval(1, 5)", FloatDistribution(1.0, 5.0)),
        ("tag(choice(a, b))", CategoricalDistribution(["a", "b"])),
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
        "tag(log, choice(1, 2))",
        "tag(a, b, choice(1, 2))",
        "choice([1], '[1]')",
        "interval(0, inf)",
        "range(0, inf, 0.5)",
        "range(0, 5, 0)",
        "glob(*)",
        "interval(0, 1), 2",
        "1, range(2, 4)",
        {"a": {"b": "interval(0, 1)"}},
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused_by_the_name_of_its_key(text):
    with pytest.raises(ValueError, match=r"^model\.width"):
        parse_space({"model.width": text}, [])


def test_a_deletion_is_not_searched():
    with pytest.raises(ValueError, match=r"^~model\.width=choice\(1,2\): a key cannot be deleted"):
        parse_space({}, ["~model.width=choice(1,2)"])


def hydras(text):
    """The values that a plain multirun visits."""
    return [*OverridesParser.create().parse_override(f"x={text}").value().range()]


def ordinary_ranges():
    steps = [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.05, 0.15, 0.01, 0.03, 1e-3, 2.5, 1 / 3]
    for start in (0, 0.1, -1, 0.5, 1e-4):
        for span in (1, 10, 0.9, 2.1):
            for step in steps:
                if step < span:
                    yield f"range({start}, {start + span}, {step})"
                    yield f"range({start + span}, {start}, {-step})"


def same_values(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Optuna warns where it shortens a range
        found = parse_space({"x": text}, []).distributions["x"]
    plain = hydras(text)
    assert math.isclose(found.low, min(plain), rel_tol=1e-11, abs_tol=1e-10), text
    assert math.isclose(found.high, max(plain), rel_tol=1e-11, abs_tol=1e-10), text
    assert round((found.high - found.low) / found.step) + 1 == len(plain), text


def test_a_float_range_has_the_values_of_a_plain_multirun():
    ranges = [*ordinary_ranges(), "range(0, 1, 0.3)", "range(0, 10, 0.7)", "range(0, 0.9, 0.3)"]
    assert len(ranges) > 321
    for text in ranges:
        same_values(text)


@given(
    start=st.decimals(-5, 5, places=2).map(float),
    span=st.decimals("0.01", 5, places=2).map(float),
    step=st.decimals("0.01", 1, places=2).map(float),
)
def test_so_has_any_other_range(start, span, step):
    same_values(f"range({start}, {start + span}, {step})")
    same_values(f"range({start + span}, {start}, {-step})")


def test_the_last_value_of_a_range_is_the_number_that_a_person_would_write():
    for text, last in (("range(0, 1, 0.3)", 0.9), ("range(0, 10, 0.7)", 9.8)):
        assert parse_space({"x": text}, []).distributions["x"].high == last


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("glob(*)", ["plain", "sugar"]),
        ("glob(s*)", ["sugar"]),
        ("glob(*, exclude=s*)", ["plain"]),
        ("glob([p*, s*])", ["plain", "sugar"]),
    ],
)
def test_glob_gives_the_options_of_a_group(text, options):
    with initialize_config_dir(str(TOY), version_base="1.3"):
        compose("toy")
        loader = GlobalHydra.instance().config_loader()
        for params, arguments in (({"flavour": text}, []), ({}, [f"flavour={text}"])):
            found = parse_space(params, arguments, loader).distributions["flavour"]
            assert list(found.choices) == options
        with pytest.raises(ValueError, match="flavour has no option of such a name"):
            parse_space({"flavour": "glob(x*)"}, [], loader)


def test_choices_that_python_holds_for_equal_stay_apart():
    space = parse_space({"x": "choice(1, true, 1.0, 'true')"}, [])
    assert space.overrides({"x": 1}) == ["x=1"]
    assert space.overrides({"x": "True"}) == ["x=True"]  # the truth value
    assert space.overrides({"x": "1.0"}) == ["x=1.0"]
    assert space.overrides({"x": "true"}) == ["x='true'"]
    choices = space.distributions["x"]
    assert [choices.to_internal_repr(x) for x in choices.choices] == [0, 1, 2, 3]


def test_a_choice_may_be_null():
    assert parse_space({"x": "choice(null, 3)"}, []).overrides({"x": None}) == ["x=null"]


def test_keys_may_have_a_prefix_or_a_package():
    space = parse_space({"+x": "interval(0, 1)", "++y": "1,2", "db@src": "choice(a, b)"}, ["~z"])
    assert [*space.distributions] == ["+x", "++y", "db@src"]
    assert space.overrides({"+x": 0.5, "++y": 2, "db@src": "a"}) == [
        "~z", "+x=0.5", "++y=2", "db@src=a",
    ]  # fmt: skip


def test_an_entry_of_the_old_form_is_taken_and_the_command_line_wins():
    old = {"type": "float", "low": -5.5, "high": 5.5, "step": 0.5}
    expected = FloatDistribution(-5.5, 5.5, step=0.5)
    assert parse_space({"x": old}, []).distributions == {"x": expected}
    assert parse_space({"x": old}, ["x=2"]).distributions == {}


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
