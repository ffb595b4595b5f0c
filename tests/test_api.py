"""The public API is what its page says, described and with examples."""

import ast
import inspect
import subprocess
import sys
import types
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = spec_from_file_location("make_api", ROOT / "docs/make_api.py")
make_api = module_from_spec(SPEC)
SPEC.loader.exec_module(make_api)
PACKAGES = make_api.PACKAGES
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


def test_the_page_is_what_make_api_writes():
    assert make_api.PAGE.read_text() == make_api.page(), "run make api"


def test_the_names_of_hpo_are_those_of_the_contract():
    assert set(import_module("hpo").__all__) == HPO


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_and_its_arguments_are_described(name):
    thing = find(name)
    assert inspect.getdoc(thing)
    taken = {
        p.name for p in make_api.signature(thing).parameters.values() if not p.name.startswith("_")
    }
    assert set(make_api.arguments(thing)) == taken


@pytest.mark.parametrize("name", NAMES)
def test_every_public_class_has_an_example(name):
    thing = find(name)
    assert not inspect.isclass(thing) or make_api.examples(thing)


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


def test_a_docstring_is_read_by_its_parts():
    def function(a: int, *, b: str = "x") -> None:
        """Return [Key]_ nothing.

        More.

        Args:
            a: an A that is described
                on two lines.
            b: a B.

        >>> 1 + 1
        2
        """

    assert make_api.arguments(function) == {
        "a": "an A that is described on two lines.",
        "b": "a B.",
    }
    assert make_api.examples(function) == ">>> 1 + 1\n2\n"
    assert make_api._call("f", function) == "f(a, *, b='x')"
    module = types.SimpleNamespace(__name__="p", __all__=["f"], f=function, __doc__="A P.")
    text = make_api._package(module)
    assert "### p.f\n" in text
    assert "Return [Key] nothing.\n" in text
