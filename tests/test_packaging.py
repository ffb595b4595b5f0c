"""The wheel holds what a user needs, and works away from the repository."""

import os
import re
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from hatch_build import with_absolute_links

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", str(folder), str(ROOT)], check=True)
    (path,) = folder.glob("mlpf_hpo-*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


@pytest.fixture(scope="module")
def urls(metadata) -> dict[str, str]:
    return dict(entry.split(", ") for entry in metadata.get_all("Project-URL"))


def test_the_project_has_its_urls_all_in_one_repository(urls):
    assert urls.keys() == {"Repository", "Documentation", "Changelog", "Issues"}
    for name, url in urls.items():
        assert url.startswith("https://")
        assert url.startswith(urls["Repository"]), name
        if "/blob/HEAD/" in url:
            assert (ROOT / url.partition("/blob/HEAD/")[2]).exists(), name


def test_the_description_renders_with_absolute_links_to_files_that_exist(metadata, urls):
    assert metadata["Description-Content-Type"] == "text/markdown"
    page = MarkdownIt("commonmark").enable("table").render(metadata.get_payload())
    addresses = re.findall(r'(?:href|src)="([^"]+)"', page)
    assert len(addresses) > 20
    for address in addresses:
        place, kind, path = re.split("/(blob|raw)/HEAD/", address)
        assert place == urls["Repository"]
        assert (ROOT / path).exists()
        assert (kind == "raw") == path.endswith(".png")
    text = re.sub(r"<(pre|code)>.*?</\1>", "", page, flags=re.DOTALL)
    assert "[" not in text  # a reference without its definition


def test_only_relative_references_become_absolute():
    text = "[a]: docs/a.md\n[b]: https://b.org/x\n[c] (d.md)\n  [e]: e.png\n[f]: f.png\n"
    assert with_absolute_links(text, "https://r") == (
        "[a]: https://r/blob/HEAD/docs/a.md\n[b]: https://b.org/x\n[c] (d.md)\n  [e]: e.png\n"
        "[f]: https://r/raw/HEAD/f.png\n"
    )


def test_the_tested_versions_of_python_are_classified(metadata):
    versions = [c.rpartition(" ")[2] for c in metadata.get_all("Classifier") if "Python :: 3" in c]
    assert versions == ["3.11", "3.12", "3.13"]
    assert metadata["Requires-Python"] == ">=3.11"


def test_pip_installs_the_wheel_and_its_modules_answer(wheel, tmp_path):
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(tmp_path), wheel.filename], check=True)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    shown = subprocess.run(
        [sys.executable, "-m", "hpo", "--help"],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "report" in shown.stdout


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
