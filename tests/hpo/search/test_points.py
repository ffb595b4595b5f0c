import pytest
from omegaconf import OmegaConf
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hpo.search.points import Point, given_points, read_points
from hpo.search.space import Space
from hpo.settings import SettingError

SPACE = Space(
    {
        "optimizer.lr": FloatDistribution(1e-4, 1e-1, log=True),
        "+model.layers": IntDistribution(2, 8, step=2),
        "act": CategoricalDistribution(["relu", None, True]),
        "sizes": CategoricalDistribution(["[1,2]", "[3]"]),
        "net": CategoricalDistribution(["gnn", "mlp"]),
    },
    expressions={"sizes": frozenset({"[1,2]", "[3]"})},
)
CONFIG = OmegaConf.create(
    {
        "optimizer": {"lr": 0.01, "beta": 0.9},
        "model": {"layers": 4},
        "act": "relu",
        "sizes": [1, 2],
        "hydra": {"runtime": {"choices": {"net": "gnn"}}},
    }
)
DEFAULTS = {
    "optimizer.lr": 0.01, "+model.layers": 4, "act": "relu", "sizes": "[1,2]", "net": "gnn"
}  # fmt: skip


def changed(key, value):
    config = CONFIG.copy()
    OmegaConf.update(config, key, value)
    return config


def test_the_default_is_the_value_of_each_searched_key_and_the_option_of_each_group():
    assert read_points(["default"], SPACE, CONFIG) == [Point("default", DEFAULTS)]


def test_a_default_outside_of_a_range_or_between_steps_is_a_point_and_is_told(caplog):
    for key, value in (("optimizer.lr", 0.5), ("model.layers", 3)):
        (point,) = read_points(["default"], SPACE, changed(key, value))
        assert value in point.params.values()
        assert f"{key}, {value}, lies outside of the search space" in caplog.text


def test_a_sampler_that_knows_its_own_points_only_gets_no_default_outside(caplog):
    config = changed("model.layers", 3)
    assert read_points(["default"], SPACE, config, only_inside=True) == []
    told = "not among the trials: +model.layers = 3 lies outside of the search space"
    assert told in caplog.text


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("act", "gelu", "act = 'gelu' is not among its choices ['relu', None, True]"),
        ("act", 1, "act = 1 is not among"),  # which Python takes for True
        ("optimizer.lr", None, "optimizer.lr = None is not a number"),
        ("optimizer.lr", "???", "optimizer.lr has no value"),
        ("optimizer.lr", "${no.such}", "optimizer.lr has no value"),
        ("model.layers", 2.5, "model.layers = 2.5 is not a whole number"),
        ("sizes", [1, 2, 3], "sizes = [1, 2, 3] is not among"),
    ],
)
def test_a_default_that_cannot_be_stored_is_left_out_and_told(key, value, told, caplog):
    assert read_points(["default"], SPACE, changed(key, value)) == []
    assert f"the default is not among the trials: {'+' * (key[0] == 'm')}{told}" in caplog.text


def test_a_mapping_may_be_flat_or_nested_and_leave_keys_open():
    flat = {"optimizer.lr": 1e-3, "+model.layers": 2.0}
    nested = {"optimizer": {"lr": 0.05}, "act": None, "sizes": [3], "net": "mlp"}
    first, second = read_points([flat, nested], SPACE, CONFIG)
    assert first == Point("given", {"optimizer.lr": 1e-3, "+model.layers": 2})
    assert second.params == {"optimizer.lr": 0.05, "act": None, "sizes": "[3]", "net": "mlp"}


def test_a_file_may_be_a_configuration_or_a_mapping_of_searched_keys(tmp_path):
    best, flat, whole = (str(tmp_path / f"{name}.yaml") for name in ("best", "flat", "whole"))
    (tmp_path / "best.yaml").write_text(
        "defaults: [app, override net: mlp, _self_]\n"
        "optimizer: {lr: 1e-3}\n+model: {layers: 8}\nother: {key: 3}\n"
        "hydra: {mode: RUN}\n"
    )
    (tmp_path / "flat.yaml").write_text("optimizer.lr: 1e-2\n")
    (tmp_path / "whole.yaml").write_text("optimizer: {lr: 0.02, beta: 0.5}\nmodel: {layers: 6}\n")
    found = read_points([best, flat, whole], SPACE, CONFIG)
    assert [point.source for point in found] == ["best.yaml", "flat.yaml", "whole.yaml"]
    assert [point.params for point in found] == [
        {"optimizer.lr": 1e-3, "+model.layers": 8, "net": "mlp"},
        {"optimizer.lr": 1e-2},
        {"optimizer.lr": 0.02, "+model.layers": 6},
    ]


def test_equal_points_are_one():
    entries = ["default", "default", {"act": None}, {"act": None}, Point("old", {"act": None})]
    assert [point.source for point in read_points(entries, SPACE, CONFIG)] == ["default", "given"]


def test_the_points_of_another_study_are_taken_as_they_are():
    points = [Point("old", {"act": None}), Point("old", {"net": "mlp"})]
    assert read_points(points, SPACE, CONFIG) == points


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"optimizer.lr": 1.0}, "enqueue: optimizer.lr = 1.0 lies outside of the search space"),
        ({"model.layers": 3}, "enqueue: model.layers = 3 lies outside of the search space"),
        ({"net": "cnn"}, "enqueue: net = 'cnn' is not among its choices ['gnn', 'mlp']"),
        ({"optimizer.lt": 1.0}, "optimizer.lt is not searched; did you mean optimizer.lr?"),
        ({"optimizer.beta": 1.0}, "enqueue: optimizer.beta is not searched"),
        ({}, "enqueue: none of the searched keys is in it"),
        ("no.yaml", "enqueue: no.yaml: No such file or directory"),
        (3, "must be a list of default, FILE.yaml, STUDY, {key: value}, got 3"),
        (
            ["default"],
            "must be a list of default, FILE.yaml, STUDY, {key: value}, got ['default']",
        ),
    ],
)
def test_what_is_no_point_of_the_space_is_refused(entry, told):
    with pytest.raises(SettingError) as refused:
        read_points([entry], SPACE, CONFIG)
    assert told in refused.value.naming(str)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("optimizer.lr: 5\n", "optimizer.lr = 5 lies outside"),
        ("optimiser_: {lr: 0.01}\n", "optimiser_.lr is not searched; did you mean optimizer.lr?"),
        ("other: 3\n", "other is not searched"),
        ("seed: 3\ndefaults: [app]\n", "none of the searched keys is in it"),
        ("- 1\n", "it holds no mapping"),
        ("a: [\n", "while parsing"),
        ("optimizer.lr: ${oc.env:HOME}\n", "is not a number"),  # a file is data
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(text, told, tmp_path):
    (tmp_path / "f.yaml").write_text(text)
    with pytest.raises(SettingError) as refused:
        read_points([str(tmp_path / "f.yaml")], SPACE, CONFIG)
    assert f"{tmp_path}/f.yaml: " in str(refused.value)
    assert told in str(refused.value)


def test_points_of_an_unknown_space_are_mappings_of_what_can_be_stored():
    assert given_points([{"x": 1.5, "c": None}]) == [Point("given", {"x": 1.5, "c": None})]
    for wrong in ({}, {"x": [1]}, "default", None):
        with pytest.raises(SettingError, match="must be a list of mappings"):
            given_points([wrong])
