"""The public API is what its page says, described and with examples."""

import ast
import inspect
import re
import subprocess
import sys
from dataclasses import is_dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("hpo", "qsvr", "mlpf")
NAMES = [f"{package}.{name}" for package in PACKAGES for name in import_module(package).__all__]
HPO = {
    "report_value", "current_trial", "optimize", "load", "AshaPruner", "PromotionPruner",
    "LadderPruner", "PausingPruner", "FreezeThawPruner", "DiverseSampler", "JournalFile",
    "open_storage", "ReportTrial", "PopulationPruner", "Checkpoint", "note_figures", "LoadedStudy",
    "TPESampler", "GPSampler",
}  # fmt: skip


def find(name):
    package, _, attribute = name.partition(".")
    return getattr(import_module(package), attribute)


def arguments(thing):
    """Return the arguments that a docstring describes, of a dataclass its fields.

    A class without a list of its own has that of the class it refines.
    """
    heading = "(?:Args|Attributes)" if is_dataclass(thing) else "Args"
    owners = inspect.getmro(thing) if inspect.isclass(thing) else [thing]
    for owner in owners:
        section = re.search(rf"^{heading}:\n((?: +.*\n?|\n)+)", inspect.getdoc(owner) or "", re.M)
        if section:
            return set(re.findall(r"^ {4}\**(\w+): \S", section[1], flags=re.M))
    return set()


def taken(thing):
    """Return the arguments that a public name takes."""
    if not callable(thing) or (inspect.isclass(thing) and issubclass(thing, Enum)):
        return set()
    return {name for name in inspect.signature(thing).parameters if not name.startswith("_")}


def test_the_names_of_hpo_are_those_of_the_contract():
    assert set(import_module("hpo").__all__) == HPO


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_and_its_arguments_are_described(name):
    thing = find(name)
    assert inspect.getdoc(thing)
    assert arguments(thing) == taken(thing)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_class_has_an_example(name):
    thing = find(name)
    assert not inspect.isclass(thing) or ">>> " in inspect.getdoc(thing)


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_and_users_see_the_same_names(package):
    module = import_module(package)
    tree = ast.parse(Path(module.__file__).read_text())
    imported = {
        alias.name
        for block in tree.body if isinstance(block, ast.If)
        for node in block.body if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }  # fmt: skip
    assert imported == set(module.__all__)
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Absent'"):
        module.Absent  # noqa: B018


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_imports_nothing_heavy(package):
    heavy = {"optuna", "torch", "hydra", "numpy", "scipy", "sklearn", "pytorch_lightning"}
    code = f"import sys, {package}; print(*sys.modules)"
    shown = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert not heavy & set(shown.split())


def test_an_argument_that_is_not_described_is_found():
    def function(a: int, *, b: str = "x", c: int = 0) -> None:
        """Return nothing.

        Args:
            a: an A that is described
                on two lines: so.
            b: a B.
        """

    assert taken(function) - arguments(function) == {"c"}
