"""Errors of composing and building are one line with the reason that helps."""

import pytest
from hydra.errors import InstantiationException
from omegaconf import OmegaConf

from hpo.hydra_internals import instantiate
from hpo.sweep import explain
from hpo.sweep.explain import first_line, reason, values_at_fault


def told(target, **options):
    with pytest.raises(InstantiationException) as caught:
        instantiate({"_target_": target, **options})
    return reason(caught.value, target)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("optuna.samplers.TPESampelr", "has no TPESampelr; did you mean TPESampler?"),
        ("optuna.sampler.TPESampler", "optuna.sampler has no TPESampler"),
        ("no_such_package.A", "the package no_such_package is not installed: pip install no_such"),
    ],
)
def test_a_target_that_is_not_there_is_told_with_its_remedy(target, text):
    assert text in told(target)


def test_an_argument_that_is_wrong_is_told_in_the_words_of_the_class():
    assert told("optuna.pruners.MedianPruner", n_startup_trials=-1).startswith("Number of startup")
    assert told("optuna.pruners.MedianPruner", speed=1).startswith("TypeError: ")


def test_a_package_that_a_class_of_ours_lacks_is_that_of_its_extra():
    error = InstantiationException("x")
    error.__cause__ = ModuleNotFoundError("No module named 'dimod_'", name="dimod_")
    assert reason(error, "qsvr.QSVRPruner").endswith("pip install dimod_")


def failing(module, *statements):
    """An error as Hydra raises it when a module of this name cannot be imported."""
    error = InstantiationException("x")
    try:
        exec("\n".join(statements), {"__name__": module})
    except ImportError as cause:
        error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("importer", "target", "extra"),
    [
        ("qsvr.forecasting.forecaster", "hpo.LadderPruner", "qsvr"),
        ("optuna._gp.gp", "optuna.samplers.GPSampler", "gp"),
        ("hpo.search.points", "hpo.GPSampler", "gp"),
    ],
)
def test_the_extra_is_that_of_the_module_whose_import_failed(monkeypatch, importer, target, extra):
    monkeypatch.setattr(explain, "_is_installed", lambda module: False)
    missing = "raise ModuleNotFoundError('No module named scipy', name='scipy.special')"
    told = explain.reason(failing(importer, missing), target)
    assert told == f"the package scipy is not installed: pip install 'mlpf-hpo[{extra}]'"


def test_of_a_long_message_the_first_line_is_told_and_cannot_steer_the_terminal():
    assert first_line(ValueError("a\x1b[2J\nb")) == r"a\x1b[2J"
    assert len(first_line(ValueError("x" * 1000))) == 300
    assert first_line(ValueError()) == "ValueError"


def test_each_value_that_a_job_could_not_read_is_found_with_its_key():
    values = {
        "a": {"b": "???", "c": ["${nope}", 1]},
        "d": "${oc.env:NO_SUCH_VARIABLE}",
        "e": "${a}",
    }
    values["f"] = "${of_the_application:1}"
    values["hydra"] = {"job": {"num": 0, "name": "${nope}"}, "sweep": {"dir": "x"}, "free": "???"}
    found = list(values_at_fault(OmegaConf.create(values)))
    assert {f.key: f.is_certain for f in found} == {
        "a.b": True,
        "a.c.0": True,
        "d": False,
        "f": False,
        "hydra.job.name": True,
    }
    assert [f.key for f in found if f.needs_resolver] == ["f"]
