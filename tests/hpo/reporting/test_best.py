import yaml

from hpo.reporting.best import best_config

APP = {
    "config_name": "train",
    "searchpath": [],
    "groups": ["model", "extra"],
    "own_groups": ["hpo", "launcher", "search_space"],
}


def composed(overrides, **changes):
    text = best_config({**APP, **changes}, overrides, "Trial 7.")
    return text, yaml.safe_load(text)


def test_groups_become_defaults_and_values_a_tree():
    text, config = composed(["model=big", "+extra=more", "a.b=1e-5", "a.c='1'", "++d=[1,{e: f}]"])
    assert text.startswith("# Trial 7.\n")
    assert config == {
        "defaults": ["train", {"override model": "big"}, {"extra": "more"}, "_self_"],
        "hydra": {"mode": "RUN"},
        "a": {"b": 1e-5, "c": "1"},
        "d": [1, {"e": "f"}],
    }


def test_what_set_the_sweep_up_is_left_out():
    overrides = ["hpo=asha_bo", "hpo/pruner=median", "hpo.n_trials=3", "launcher=local"]
    config = composed([*overrides, "search_space=stage1"])[1]
    assert config == {"defaults": ["train", "_self_"], "hydra": {"mode": "RUN"}}


def test_an_application_without_groups_for_sweeps_keeps_keys_of_these_names():
    overrides = ["launcher.angle=0.5", "hpo.depth=3", "search_space.dim=2", "a.launcher.b=1"]
    kept = composed(overrides, own_groups=[])[1]
    assert kept["launcher"] == {"angle": 0.5}
    assert kept["hpo"] == {"depth": 3}
    assert kept["search_space"] == {"dim": 2}
    nested = composed(overrides, own_groups=["a.launcher"])[1]
    assert set(nested) == {"defaults", "hydra", "launcher", "hpo", "search_space"}


def test_a_study_stored_before_groups_were_named_is_reported_with_all_its_overrides():
    old = {key: value for key, value in APP.items() if key != "own_groups"}
    assert yaml.safe_load(best_config(old, ["hpo.n=3"], "Trial 7."))["hpo"] == {"n": 3}


def test_what_yaml_cannot_say_is_left_to_the_command_line():
    text, config = composed(["~a.b", "c.0=1"])
    assert "command line: ~a.b c.0=1" in text
    assert config == {"defaults": ["train", "_self_"], "hydra": {"mode": "RUN"}}


def test_an_application_that_always_sweeps_is_told_not_to():
    config = composed([], searchpath=["pkg://more"])[1]
    assert config["hydra"] == {"mode": "RUN", "searchpath": ["pkg://more"]}
