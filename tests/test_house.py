"""Sizes, types and words of the sources, and a test file for every module."""

import ast
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [
    source
    for package in ("hpo", "mlpf", "qsvr", "commons", "hydra_plugins")
    for source in sorted((ROOT / package).rglob("*.py"))
]
TREES = {source: ast.parse(source.read_text()) for source in SOURCES}
FUNCTIONS = [
    node
    for tree in TREES.values()
    for node in ast.walk(tree)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
]


def place(source):
    return source.relative_to(ROOT).as_posix()


def public(node):
    """Yield a module or class and the public classes and functions inside of it."""
    yield node
    for inner in node.body if isinstance(node, ast.Module | ast.ClassDef) else ():
        named = isinstance(inner, ast.ClassDef | ast.FunctionDef)
        if named and not inner.name.startswith("_") and not is_overload(inner):
            yield from public(inner)


def is_overload(node):
    return any(getattr(each, "id", "") == "overload" for each in node.decorator_list)


def test_no_module_has_330_lines():
    lines = {place(source): len(source.read_text().splitlines()) for source in SOURCES}
    largest = max(lines, key=lines.get)
    print(f"{len(lines)} modules, {sum(lines.values())} lines; {largest} has {lines[largest]}")
    assert lines[largest] < 330


def test_functions_are_short():
    lengths = [node.end_lineno - node.lineno + 1 for node in FUNCTIONS]
    middle, p90 = median(lengths), quantiles(lengths, n=10)[-1]
    print(f"{len(lengths)} functions: median {middle} lines, p90 {p90}, longest {max(lengths)}")
    assert middle <= 8
    assert p90 <= 25


def test_every_function_is_annotated():
    for node in FUNCTIONS:
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        bare = [a.arg for a in arguments if a.annotation is None and a.arg not in {"self", "cls"}]
        assert not bare, f"{node.name}: {bare}"
        assert node.returns is not None, node.name


@pytest.mark.parametrize("source", SOURCES, ids=place)
def test_everything_public_is_documented(source):
    for node in public(TREES[source]):
        assert ast.get_docstring(node), getattr(node, "name", "the module")


def test_every_module_has_its_test_file():
    untested = set()
    for source in SOURCES:
        test = ROOT / "tests" / source.relative_to(ROOT).with_name(f"test_{source.name}")
        if source.stem not in {"__init__", "__main__"} and not test.exists():
            untested.add(place(source))
    assert not untested
