"""Where the study of a sweep lives: its name and its folder."""

import logging

import pytest
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from omegaconf import OmegaConf

from hpo.settings import SweepError
from hpo.sweep.place import settle

DEFAULT = "outputs/sweeps/${hydra.sweeper.study_name}"
OF_HYDRA = "multirun/${now:%Y-%m-%d}/${now:%H-%M-%S}"  # its default without our sweeper


@pytest.fixture(autouse=True)
def resolvers(monkeypatch):
    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)
    setup_globals()


def sweep(study_name="s", folder=DEFAULT, storage=None, **application):
    sweeper = {"study_name": study_name, "storage": storage}
    config = OmegaConf.create({"hydra": HydraConf(), **application})
    hydra = {"job": {"name": "app"}, "sweeper": sweeper, "sweep": {"dir": folder}}
    config.hydra = OmegaConf.merge(config.hydra, hydra)
    OmegaConf.set_readonly(config.hydra, True)
    OmegaConf.set_struct(config, True)
    return config


@pytest.mark.parametrize(("given", "name"), [(20261126, "20261126"), (1.5, "1.5"), (None, "app")])
def test_a_number_is_a_name_and_nothing_becomes_that_of_the_job(given, name):
    config = sweep(given)
    assert settle(config) == {"study_name": name, "storage": None}
    assert config.hydra.sweep.dir == f"outputs/sweeps/{name}"


def test_a_folder_named_by_a_key_of_the_application_follows_the_name_that_was_made():
    config = sweep("${hpo.study_name}", "out/${hpo.study_name}", hpo={"study_name": None})
    assert settle(config)["study_name"] == "app"
    assert config.hydra.sweep.dir == "out/app"


@pytest.mark.parametrize("name", ["a/b", "..", True])
def test_a_name_that_cannot_be_one_is_told_with_the_key_of_the_application(name):
    config = sweep("${hpo.study_name}", hpo={"study_name": name})
    with pytest.raises(SweepError, match=r"^hpo\.study_name must "):
        settle(config)


@pytest.mark.parametrize(
    ("folder", "settled"),
    [
        (OF_HYDRA, "multirun/s"),
        ("${paths.logs}/multiruns/${now:%Y-%m-%d}_${now:%H-%M-%S}", "logs/multiruns/s"),
        ("sweeps/${hydra.sweeper.study_name}/${now:%Y/%m}", "sweeps/s"),
        ("/data/${now:%Y}/curves", "/data/curves/s"),
        ("${paths.today}", "s"),
    ],
)
def test_a_folder_with_a_date_becomes_one_that_the_next_command_finds(folder, settled, caplog):
    config = sweep("s", folder, paths={"logs": "logs", "today": "${now:%j}"})
    with caplog.at_level(logging.INFO):
        settle(config)
    assert config.hydra.sweep.dir == settled
    (line,) = caplog.messages
    assert line.startswith("hydra.sweep.dir has a date in it; ")


def test_what_lies_in_a_folder_with_a_date_moves_with_it():
    config = sweep("s", OF_HYDRA, "sqlite:///${hydra.sweep.dir}/study.db")
    assert settle(config)["storage"] == "sqlite:///multirun/s/study.db"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"study_name": "run_${now:%Y}"}, "hydra.sweeper.study_name"),
        ({"storage": "${hpo.storage}", "hpo": {"storage": "${now:%Y}.log"}}, "hpo.storage"),
    ],
)
def test_a_date_that_stays_is_mentioned(changes, key, caplog):
    config = sweep(**changes)
    settle(config)
    assert f"sweeps/{config.hydra.sweeper.study_name}" in config.hydra.sweep.dir
    (line,) = caplog.messages
    assert line.startswith(f"{key} has a date in it: ")


def test_a_folder_without_a_date_stays(caplog):
    config = sweep("s", "logs/2026")
    settle(config)
    assert config.hydra.sweep.dir == "logs/2026"
    assert caplog.messages == []
    assert OmegaConf.create({"year": "${now:%Y}"}).year.isdigit()
