"""Names and patterns of files on the command line."""

import pytest
from omegaconf import OmegaConf

from mlpf.config import ConfigError
from mlpf.data.matching import matching_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.parquet", "a.parquet", "[c].parquet"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("a.parquet", ["a.parquet"]),
        ("[ab].parquet", ["a.parquet", "b.parquet"]),
        ("[c].parquet", ["[c].parquet"]),
        (["b.parquet", "*"], ["b.parquet", "[c].parquet", "a.parquet"]),
    ],
)
def test_names_and_patterns_stand_for_files(folder, given, names):
    assert [path.name for path in matching_files("events", OmegaConf.create([given])[0])] == names


@pytest.mark.parametrize("given", ["d.parquet", "*.root", ["a.parquet", "d*"]])
def test_what_matches_nothing_is_named(folder, given):
    with pytest.raises(ConfigError, match=r"events=\S+: no such file"):
        matching_files("events", given)


def test_no_file_is_too_few(folder):
    with pytest.raises(ConfigError, match="events: no file is given"):
        matching_files("events", [])
