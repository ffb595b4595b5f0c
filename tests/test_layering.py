"""The import arrows of the packages: mlpf -> hpo, everything else apart."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "mlpf": {"qsvr", "hydra_plugins"},
    "hpo": {"mlpf", "qsvr", "hydra_plugins"},
    "qsvr": {"mlpf", "hpo", "torch", "hydra_plugins"},
    "hydra_plugins": {"mlpf", "qsvr", "torch"},
}


def imported_packages(source: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def module_level_packages(source: Path) -> set[str]:
    tree = ast.parse(source.read_text())
    tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    flat = ast.unparse(tree)
    return {line.split()[1].split(".")[0] for line in flat.splitlines()}


@pytest.mark.parametrize("package", FORBIDDEN)
def test_packages_import_only_along_the_arrows(package):
    for source in sorted((ROOT / package).rglob("*.py")):
        wrong = imported_packages(source) & FORBIDDEN[package]
        assert not wrong, f"{source.relative_to(ROOT)} imports {wrong}"


def test_only_the_generator_imports_pythia():
    users = [
        source.relative_to(ROOT).as_posix()
        for package in FORBIDDEN
        for source in (ROOT / package).rglob("*.py")
        if "pythia8mc" in imported_packages(source)
    ]
    assert users == ["mlpf/generate.py"]


def test_only_the_callback_of_hpo_imports_lightning():
    users = [
        source.name
        for source in (ROOT / "hpo").rglob("*.py")
        if {"torch", "pytorch_lightning"} & imported_packages(source)
    ]
    assert users == ["lightning.py"]


def test_plugin_modules_import_nothing_heavy_at_scan_time():
    for source in (ROOT / "hydra_plugins").rglob("*.py"):
        heavy = module_level_packages(source) & {"optuna", "torch", "submitit", "matplotlib"}
        assert not heavy, f"{source.relative_to(ROOT)} imports {heavy} at every Hydra start"


@pytest.mark.parametrize("package", ["hpo", "qsvr"])
def test_every_module_but_the_callback_imports_without_torch(package):
    modules = [
        ".".join(source.relative_to(ROOT).with_suffix("").parts)
        for source in (ROOT / package).rglob("*.py")
        if source.stem not in {"__init__", "__main__", "lightning"}
    ]
    code = f"import sys, {package}, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert result.returncode == 0


def test_hydra_plugins_is_a_namespace_package():
    assert not (ROOT / "hydra_plugins/__init__.py").exists()
