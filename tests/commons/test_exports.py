"""Public names imported on first use, whatever is imported before."""

import pickle
import subprocess
import sys
from pathlib import Path

import cloudpickle
import pytest

import hpo

ROOT = Path(__file__).parents[2]


def run(code):
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    "imports",
    [
        "import hpo; f = hpo.optimize; from hpo.optimize import optimize as g",
        "from hpo.optimize import optimize as g; import hpo; f = hpo.optimize",
        "import hpo.optimize; f = hpo.optimize; from hpo.optimize import optimize as g",
        "from hpo import optimize as f; import hpo.optimize; g = hpo.optimize",
        "from hpo import *; f = optimize; from hpo.optimize import optimize as g",
        "import hpo.doctor, hpo.optimize as g; import hpo; f = hpo.optimize",
    ],
)
def test_optimize_is_the_function_in_any_order_of_imports(imports):
    run(f"{imports}; assert f is g; assert f.__name__ == 'optimize'; assert callable(f)")


def test_a_package_is_pickled_by_its_name():
    # A script that imports it is sent to the workers by cloudpickle.
    assert pickle.loads(cloudpickle.dumps(hpo)) is hpo


def test_other_modules_of_a_package_are_its_attributes():
    run("import hpo, hpo.signals; assert hpo.signals.__name__ == 'hpo.signals'")
    run("from hpo import signals; import hpo; assert hpo.signals is signals")


def test_an_unknown_name_is_an_attribute_error_that_names_the_package():
    with pytest.raises(AttributeError, match="module 'hpo' has no attribute 'optimise'"):
        hpo.optimise  # noqa: B018


def test_public_names_are_listed_before_they_are_imported():
    run("import hpo, sys; assert {*hpo.__all__} <= {*dir(hpo)} and 'numpy' not in sys.modules")


def test_importing_hpo_imports_nothing_heavy():
    run("import hpo, sys; assert not {'optuna', 'torch', 'hydra', 'numpy'} & set(sys.modules)")


def test_reporting_outside_a_sweep_imports_nothing_heavy():
    run("import hpo, sys; hpo.report_value(1.0, 1); assert 'optuna' not in sys.modules")
