"""The wheel holds what a user needs, and works away from the repository."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", str(folder), str(ROOT)], check=True)
    (path,) = folder.glob("mlpf_hpo-*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_the_packages_and_the_configuration_only(wheel):
    names = wheel.namelist()
    top_level = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert top_level == {"mlpf", "hpo", "qsvr", "commons", "hydra_plugins"}
    assert "mlpf/conf/train.yaml" in names
    for part in ("hpo/conf/sampler/tpe.yaml", "mlpf/conf/hpo/sampler/tpe.yaml"):  # a link there
        assert "multivariate" in wheel.read(part).decode()
    assert "hydra_plugins/__init__.py" not in names
    assert all(f"{package}/py.typed" in names for package in ("mlpf", "hpo", "qsvr", "commons"))


@pytest.mark.parametrize(("script", "command"), [("mlpf", "train"), ("hpo", "report")])
def test_the_scripts_are_installed_and_list_their_subcommands(wheel, tmp_path, script, command):
    wheel.extractall(tmp_path)
    code = (
        "import sys; from importlib.metadata import entry_points;"
        f"(script,) = entry_points(group='console_scripts', name={script!r});"
        "sys.argv[1:] = ['--help']; script.load()()"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd="/", env=environment, capture_output=True, check=True
    )
    assert command in shown.stdout.decode()


def test_training_starts_from_the_wheel_in_another_folder(wheel, tmp_path):
    installed = tmp_path / "site"
    wheel.extractall(installed)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    result = subprocess.run(
        [sys.executable, "-m", "mlpf.train", "--cfg", "job", "model.bin_size=64"],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "bin_size: 64" in result.stdout
