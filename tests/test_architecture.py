"""The page on the architecture shows the floors that are checked, and files that exist."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/explanation/architecture.md").read_text()
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
FLOORS = {each["name"].removeprefix("floors of "): each for each in LINTER["contracts"]}


@pytest.mark.parametrize("package", ["hpo", "mlpf", "qsvr"])
def test_the_floors_of_a_package_are_those_that_are_checked(package):
    (shown,) = re.findall(rf"^`{package}`:\n\n```text\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    assert shown.splitlines() == FLOORS[package]["layers"]


def test_files_that_are_named_exist():
    named = re.findall(r"`((?:hpo|mlpf|qsvr|commons|hydra_plugins|conf)/[\w/.]*)`", PAGE)
    assert len(named) > 15
    for path in named:
        assert (ROOT / path).exists(), path
