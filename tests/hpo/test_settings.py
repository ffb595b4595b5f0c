"""Settings are checked when they are made, and mistakes name the keys that were typed."""

import math
from datetime import date

import optuna
import pytest
from omegaconf import OmegaConf

from hpo.launch.slurm.options import SlurmOptions
from hpo.settings import (
    SettingError,
    SweepError,
    SweepSettings,
    is_among,
    settings_of,
    study_name,
    told_by_typed_keys,
    typed_key,
)

MLPF = OmegaConf.create(
    {
        "hydra": {
            "launcher": {
                "timeout_min": "${launcher.timeout_min}",
                "gpus_per_trial": "${oc.select:hpo.gpus_per_trial,1}",
                "account": "${oc.env:ACCOUNT,null}",
                "name": "${hydra.job.name}",
                "comment": "about ${launcher.name}",
                "poll_s": 5.0,
            }
        }
    }
)


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("timeout_min", "launcher.timeout_min"),
        ("gpus_per_trial", "hpo.gpus_per_trial"),
        ("account", "hydra.launcher.account"),
        ("name", "hydra.launcher.name"),
        ("comment", "hydra.launcher.comment"),
        ("poll_s", "hydra.launcher.poll_s"),
        ("partition", "hydra.launcher.partition"),
    ],
)
def test_the_typed_key_is_that_of_the_application_where_it_is_interpolated(name, typed):
    assert typed_key(MLPF, "hydra.launcher", name) == typed


def test_a_mistake_is_told_with_the_typed_keys_and_values_are_left_alone():
    with (
        pytest.raises(
            SweepError, match=r"^launcher\.timeout_min={a}: see hydra\.launcher\.poll_s$"
        ),
        told_by_typed_keys(MLPF, "hydra.launcher"),
    ):
        raise SettingError("{timeout_min}={}: see {poll_s}", "{a}")


def test_without_an_application_a_mistake_names_the_setting():
    assert str(SettingError("{n_trials} must be at least {}, got {!r}", 1, "x")) == (
        "n_trials must be at least 1, got 'x'"
    )


def test_other_errors_of_the_user_are_told_as_they_are_and_faults_are_not_hidden():
    with pytest.raises(SweepError, match=r"^x={y}$"), told_by_typed_keys(MLPF, "hydra.launcher"):
        raise ValueError("x={y}")
    with pytest.raises(KeyError), told_by_typed_keys(MLPF, "hydra.launcher"):
        raise KeyError("x")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_trials": 0}, "n_trials must be at least 1, got 0"),
        ({"n_workers": 0}, "n_workers must be at least 1, got 0"),
        ({"max_failure_rate": 1.5}, "max_failure_rate must be in 0..1, got 1.5"),
        ({"direction": "up"}, "direction must be minimize or maximize, got up"),
        ({"direction": []}, "direction must be minimize or maximize"),
    ],
)
def test_settings_out_of_range_are_named(settings, message):
    with pytest.raises(SettingError, match=f"^{message}"):
        SweepSettings("s", **settings)


@pytest.mark.parametrize(
    "direction",
    ["maximize", "MAXIMIZE", ["maximize"], optuna.study.StudyDirection.MAXIMIZE],
)
def test_a_direction_has_one_form_however_it_is_given(direction):
    assert SweepSettings("s", direction=direction).direction == "maximize"


@pytest.mark.parametrize(
    ("key", "groups", "expected"),
    [
        ("launcher", ["launcher"], True),
        ("launcher.mass", ["launcher"], True),
        ("launcher.mass", [], False),
        ("+launcher/site@a.b", ["launcher"], True),
        ("~launcher", ["launcher"], True),
        ("launchers", ["launcher"], False),
        ("a.launcher", ["launcher"], False),
        ("a.launcher.mass", ["a.launcher"], True),
        ("a/launcher", ["a/launcher"], True),
        ("a", ["a.launcher"], False),
    ],
)
def test_a_key_is_among_groups_if_it_is_one_of_them_or_inside_of_one(key, groups, expected):
    assert is_among(key, groups) is expected


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("asha_bo", "asha_bo"),
        ("größe 2 [a]", "größe 2 [a]"),
        (20261126, "20261126"),
        (1.5, "1.5"),
        (date(2026, 11, 26), "2026-11-26"),
        ("x" * 100, "x" * 100),
    ],
)
def test_a_study_is_named_by_a_text_a_number_or_a_date(value, name):
    assert SweepSettings(study_name=value).study_name == name


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        *((value, "must be a text") for value in (None, True, ["a"], {"a": 1})),
        *(
            (value, "must be without")
            for value in ("a/b", "..\\x", "a\nb", "\x1b[2J", "${x}", "a\0")
        ),
        *((value, "must not be") for value in ("", ".", "..", "-5", -5, " a", "a ")),
        *((value, "longer than 100 bytes") for value in ("x" * 101, "ü" * 51, "y" * 5000)),
    ],
)
def test_what_cannot_be_a_folder_on_any_system_names_no_study(value, rule):
    with pytest.raises(SettingError, match=f"^study_name {rule}|{rule}") as error:
        study_name(value)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("value", [0, -1, True, "10", "ten", float("nan"), float("inf"), [1]])
def test_a_time_limit_is_a_positive_number(value):
    for name in ("trial_timeout", "epoch_timeout", "timeout"):
        with pytest.raises(SettingError, match=f"^{name} must be a positive number of seconds"):
            SweepSettings(study_name="s", **{name: value})
    SweepSettings(study_name="s", trial_timeout=0.5, epoch_timeout="auto", timeout=7)


@pytest.mark.parametrize(
    ("kind", "setting", "told"),
    [
        (SweepSettings, {"n_trials": "ten"}, "n_trials must be a whole number, got 'ten'"),
        (SweepSettings, {"n_trials": 2.5}, "n_trials must be a whole number, got 2.5"),
        (SweepSettings, {"n_trials": True}, "n_trials must be a whole number, got True"),
        (SweepSettings, {"n_trials": None}, "n_trials must be a whole number, got None"),
        (SweepSettings, {"n_trials": -1}, "n_trials must be at least 1, got -1"),
        (SweepSettings, {"n_workers": 0}, "n_workers must be at least 1, got 0"),
        (SweepSettings, {"n_workers": [2]}, "n_workers must be a whole number or null, got [2]"),
        (SweepSettings, {"lease_s": "abc"}, "lease_s must be a number, got 'abc'"),
        (SweepSettings, {"lease_s": 0}, "lease_s must be more than 0, got 0"),
        (SweepSettings, {"lease_s": math.nan}, "lease_s must be a number, got nan"),
        (SweepSettings, {"max_retries": -1}, "max_retries must be at least 0, got -1"),
        (SweepSettings, {"patience_s": -1}, "patience_s must be at least 0, got -1"),
        (SweepSettings, {"max_failure_rate": 2}, "max_failure_rate must be in 0..1, got 2"),
        (SweepSettings, {"own_groups": "x"}, "own_groups must be a list such as [a,b], got 'x'"),
        (SweepSettings, {"n_trails": 5}, "n_trails: no such setting; did you mean n_trials?"),
        (SweepSettings, {"stu dy": 5}, "stu dy: no such setting; did you mean study_name?"),
        (SweepSettings, {"params": "x"}, "params must be a mapping such as {x: interval(0, 1)}"),
        (SweepSettings, {"pruner": 5}, "pruner must be null or a mapping with _target_, got 5"),
        (SweepSettings, {"sampler": {"a": 1}}, "sampler must be null or a mapping with _target_"),
        (
            SweepSettings,
            {"add": [{"x": 1}]},
            "add must be a list of files, folders and URLs, got {",
        ),
        (SlurmOptions, {"timeout_min": "1h"}, "timeout_min must be a whole number, got '1h'"),
        (SlurmOptions, {"partition": ["a"]}, "partition must be a text or null, got ['a']"),
        (SlurmOptions, {"setup": "module load x"}, "setup must be a list such as [a,b]"),
        (SlurmOptions, {"sbatch": "x"}, "sbatch must be a mapping such as {a: 1}, got 'x'"),
    ],
)
def test_an_unknown_setting_or_a_wrong_value_is_told_by_its_name(kind, setting, told):
    name = {"study_name": "s"} if kind is SweepSettings else {}
    with pytest.raises(SettingError) as error:
        settings_of(kind, name | setting)
    assert str(error.value).startswith(told)


def test_values_of_the_command_line_get_the_type_of_their_setting():
    made = settings_of(SweepSettings, {"study_name": 7, "n_trials": "3", "lease_s": 5})
    assert (made.study_name, made.n_trials, made.lease_s) == ("7", 3, 5.0)
    options = settings_of(SlurmOptions, {"sbatch": {"mail-type": "END"}, "setup": ["${A}"]})
    assert (options.sbatch, options.setup) == ({"mail-type": "END"}, ["${A}"])


@pytest.mark.parametrize(
    ("config", "group"),
    [({"pruner": "${hpo.pruner}"}, "hpo/pruner"), ({}, "hydra/sweeper/pruner")],
)
def test_a_name_in_place_of_a_node_is_answered_with_the_key_of_the_group(config, group):
    app = OmegaConf.create({"hydra": {"sweeper": config}})
    with (
        pytest.raises(SweepError, match=rf"a name is chosen with a slash: {group}=asha$"),
        told_by_typed_keys(app, "hydra.sweeper"),
    ):
        SweepSettings("s", pruner="asha")
