"""Finding `conf/` and turning a bad value into one line."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from mlpf.config import ConfigError, build, check_share, config_dir


def test_the_configuration_lies_beside_the_package_in_a_checkout():
    assert (Path(config_dir()) / "train.yaml").is_file()


def test_build_makes_the_object_that_a_group_describes():
    cfg = OmegaConf.create(
        {"when": {"_target_": "datetime.date", "year": 2021, "month": 5, "day": 1}}
    )
    assert build(cfg, "when").isoformat() == "2021-05-01"


def test_build_names_the_group_whose_value_is_refused():
    cfg = OmegaConf.create({"model": {"_target_": "mlpf.MLPF", "dropout": 3}})
    with pytest.raises(
        ConfigError, match=r"^model.dropout must be a number in \[0, 1\.0\), got 3$"
    ):
        build(cfg, "model")


def test_build_refuses_a_key_that_the_constructor_does_not_know():
    cfg = OmegaConf.create({"model": {"_target_": "mlpf.MLPF", "n_layers": 3}})
    with pytest.raises(ConfigError, match="n_layers"):
        build(cfg, "model")


def test_build_names_the_inner_node_whose_value_is_refused():
    selection = {"_target_": "mlpf.Selection", "min_elements": -1}
    cfg = OmegaConf.create({"data": {"_target_": "mlpf.EventDataModule", "selection": selection}})
    with pytest.raises(ConfigError, match=r"^data\.selection\.min_elements must be >= 0, got -1$"):
        build(cfg, "data")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("???", r"data\.folder: a value is needed \(it is \?\?\?\): give data\.folder=VALUE"),
        ("${oc.env:NO_SUCH_VARIABLE}", r"data: .*NO_SUCH_VARIABLE"),
        ("${no.such.key}", r"data: .*no\.such\.key"),
    ],
)
def test_build_names_the_key_that_has_no_value(value, told):
    cfg = OmegaConf.create({"data": {"_target_": "mlpf.EventDataModule", "folder": value}})
    with pytest.raises(ConfigError, match=f"^{told}"):
        build(cfg, "data")


def test_build_makes_an_inner_node_alone():
    cfg = OmegaConf.create({"data": {"selection": {"_target_": "mlpf.Selection"}}})
    assert build(cfg, "data.selection").min_elements == 1


def test_the_name_of_a_file_cannot_steer_the_terminal():
    assert str(ConfigError("data: no file a\x1b[2J.parquet")) == r"data: no file a\x1b[2J.parquet"


@pytest.mark.parametrize("value", [0, -0.1, 1.1, float("nan"), True, "a", None])
def test_what_is_no_share_is_named(value):
    check_share("rate", 1)
    with pytest.raises(ValueError, match=r"rate must be in \(0, 1\], got"):
        check_share("rate", value)
