"""Arguments of the commands: what is missing, double or in the way is one line."""

import pytest
from omegaconf import OmegaConf

from mlpf.config import ConfigError
from mlpf.reconstruction.inputs import model_of, one_of, output_of, threshold_of


@pytest.mark.parametrize("given", [{}, {"run": "a", "model": "b"}])
def test_one_model_is_needed(given):
    with pytest.raises(ConfigError, match="give run=DIR or model=FILE, one of them"):
        model_of(OmegaConf.create({"run": None, "model": None} | given))


def test_a_run_or_a_model_is_the_model():
    assert model_of(OmegaConf.create({"run": "a", "model": None})) == "a"
    assert model_of(OmegaConf.create({"run": None, "model": "pretrained"})) == "pretrained"


def test_an_existing_file_is_kept_unless_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.parquet").touch()
    cfg = OmegaConf.create({"out": "a.parquet", "overwrite": False})
    with pytest.raises(ConfigError, match=r"out=a\.parquet: exists already; overwrite=true"):
        output_of(cfg)
    cfg.overwrite = True
    assert output_of(cfg).name == "a.parquet"
    cfg.out = "."
    with pytest.raises(ConfigError, match="take another name"):
        output_of(cfg)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "a", float("nan")])
def test_an_impossible_threshold_is_refused(value):
    with pytest.raises(ConfigError, match=r"p_none_max=.*need a number in \(0, 1\]"):
        threshold_of(OmegaConf.create({"p_none_max": value}))


def test_a_wrong_name_is_told_the_right_ones():
    assert one_of("format", "root", ("parquet", "root")) == "root"
    with pytest.raises(ConfigError, match="format=csv: need one of parquet, root"):
        one_of("format", "csv", ("parquet", "root"))
