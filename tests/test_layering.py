"""The floors of the house, as far as the contracts of import-linter cannot express them.

How floors are counted: the rooms of a package are its folders and the single modules directly in
it. A room that imports no other room is on floor 1; each other one stands one floor above the
highest room that it imports. Imports inside functions and under TYPE_CHECKING count too.
"""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ["mlpf", "hpo", "qsvr", "commons", "benchmarks", "testbed"]


def imports(source):
    """Return the modules and names that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def sources(package):
    return sorted((ROOT / package).rglob("*.py"))


def rooms(package):
    """Return the rooms that each room of a package imports."""
    names = {path.stem for path in (ROOT / package).iterdir() if path.suffix in {"", ".py"}}
    graph = {}
    for source in sources(package):
        room = source.relative_to(ROOT / package).parts[0].removesuffix(".py")
        parts = (name.split(".") for name in imports(source))
        below = {part[1] for part in parts if part[0] == package and part[1:]}
        graph.setdefault(room, set()).update(below & names - {room})
    return graph


def floors(graph):
    """Return the floor of each room, from 1; a circle is a graphlib.CycleError."""
    floor = {}
    for room in TopologicalSorter(graph).static_order():
        floor[room] = 1 + max((floor[below] for below in graph[room]), default=0)
    return floor


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_at_most_five_floors_and_no_circle(package):
    graph = rooms(package)
    floor = floors(graph)
    arrows = sum(map(len, graph.values()))
    print(f"{package}: {len(graph)} rooms, {max(floor.values())} floors, {arrows} arrows")
    assert max(floor.values()) <= 5, floor


def test_floors_are_counted_by_hand_on_a_small_house():
    house = {"attic": {"room"}, "room": {"ground"}, "cellar": set(), "ground": set()}
    assert floors(house) == {"attic": 3, "room": 2, "cellar": 1, "ground": 1}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_imports_the_tests(package):
    assert not [s for s in sources(package) if any(n.split(".")[0] == "tests" for n in imports(s))]


def test_plugin_modules_import_nothing_heavy_at_scan_time():
    heavy = {"optuna", "torch", "submitit", "matplotlib"}
    code = "import sys, hydra_plugins.hpo_sweeper; print(*sys.modules)"
    shown = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert not heavy & set(shown.split()), "they would be imported at every start of Hydra"


@pytest.mark.parametrize("package", ["hpo", "qsvr"])
def test_every_module_but_the_callback_imports_without_torch(package):
    modules = [
        ".".join(source.relative_to(ROOT).with_suffix("").parts)
        for source in sources(package)
        if source.stem not in {"__init__", "__main__", "lightning"}
    ]
    code = f"import sys, {package}, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_hydra_plugins_is_a_namespace_package():
    assert not (ROOT / "hydra_plugins/__init__.py").exists()
