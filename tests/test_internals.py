"""Internals of other libraries are used in one module per library, of Optuna in two."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("hpo", "qsvr", "mlpf", "commons", "benchmarks", "testbed", "hydra_plugins")
SEAMS = {
    "optuna": ("commons/optuna_internals.py", "commons/optuna_replay.py"),
    "hydra": ("hpo/hydra_internals.py",),
    "submitit": ("hpo/launch/slurm/submitit_internals.py",),
    "torch": ("mlpf/torch_internals.py",),
    "lightning_fabric": ("mlpf/training/lightning_internals.py",),
}
CANARIES = {
    "optuna": "tests/commons/test_optuna_internals.py",
    "hydra": "tests/hpo/test_hydra_internals.py",
    "submitit": "tests/hpo/launch/slurm/test_submitit_internals.py",
    "torch": "tests/mlpf/test_torch_internals.py",
    "lightning_fabric": "tests/mlpf/training/test_lightning_internals.py",
}
PRIVATE_MODULE = {
    "optuna": r"\._",
    # What Hydra documents: https://hydra.cc/docs
    "hydra": r"\._|\.core\.(?!config_store|hydra_config)|\.test_utils",
    "submitit": r"\._|^submitit\.",
    "torch": r"\._|\.multiprocessing\.spawn|\.distributed_c10d",
    "lightning_fabric": r"^lightning_fabric",
}
# Names that are no attributes of ours, and those that are not documented though they look so.
NAMES = {
    "optuna": {
        *("_trial_id", "_study_id", "_storage", "_backend", "_thread_lock", "_replay_result"),
        *("_sync_with_backend", "_write_log", "get_storage"),
    },
    "hydra": {"_return_value", "set_state", "get_state", "instantiate_launcher"},
    "submitit": {"_make_submission_file_text", "_submitit_command_str"},
    "torch": {"distributed_c10d", "_abort_process_group", "reducer"},
    "lightning_fabric": set(),
}


def sources():
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def modules(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def attributes(tree):
    """Names of attributes of what is not `self` or `cls`."""
    for node in ast.walk(tree):
        own = isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self", "cls")
        if isinstance(node, ast.Attribute) and not own:
            yield node.attr


def used(library, tree):
    """What a module uses of a library's internals."""
    wrong = re.compile(PRIVATE_MODULE[library])
    chosen = {name for name in modules(tree) if name.split(".")[0] == library}
    return {name for name in chosen if wrong.search(name)} | (
        set(attributes(tree)) & NAMES[library]
    )


@pytest.mark.parametrize("library", SEAMS)
def test_internals_of_a_library_are_used_in_its_modules_alone(library):
    users = {
        path.relative_to(ROOT).as_posix(): names
        for path in sources()
        if (names := used(library, ast.parse(path.read_text())))
    }
    assert set(users) == {*SEAMS[library]}, users


@pytest.mark.parametrize("library", SEAMS)
def test_the_canary_names_all_that_its_module_uses(library):
    canary = (ROOT / CANARIES[library]).read_text()
    for path in SEAMS[library]:
        tree = ast.parse((ROOT / path).read_text())
        private = {name for name in attributes(tree) if re.match(r"_(?!_)", name)}
        for name in used(library, tree) | private:
            assert name.rpartition(".")[2] in canary, name


def test_private_attributes_of_others_are_used_in_these_modules_alone():
    seams = {ROOT / path for paths in SEAMS.values() for path in paths}
    allowed = {"_target_", "_exit", "_"}
    users = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources()
        if path not in seams
        for name in attributes(ast.parse(path.read_text()))
        if re.match(r"_(?!_)", name) and name not in allowed
    }
    assert users == set()
