"""The extras that messages name are those of the distribution."""

import re
import tomllib
from pathlib import Path

import pytest

from commons.extras import DISTRIBUTION, EXTRAS, importer, missing_module, remedy

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
PACKAGES = {"sklearn": "scikit-learn", "dwave": "dwave-samplers", "google": "protobuf"}
PACKAGES |= {"mlflow": "mlflow-skinny", "grpc": "grpcio", "pytorch_lightning": "pytorch-lightning"}
PACKAGES |= {"optuna_dashboard": "optuna-dashboard"}
PACKAGES |= {"dwave.system": "dwave-system", "dwave.cloud": "dwave-system"}


def test_each_extra_installs_what_it_is_named_for():
    assert PROJECT["name"] == DISTRIBUTION
    for extra, modules in EXTRAS.items():
        lines = PROJECT["optional-dependencies"][extra]
        names = {re.split(r"[\[<>=]", line)[0] for line in lines}
        assert {PACKAGES.get(module, module) for module in modules} <= names, extra


@pytest.mark.parametrize(
    ("module", "needed_by", "extra"),
    [
        ("scipy", "optuna.samplers.GPSampler", "gp"),
        ("scipy.linalg", "qsvr.QSVRPruner", "qsvr"),
        ("torch", "optuna.samplers.GPSampler", "gp"),
        ("torch", "mlpf.build_trainer", "mlpf"),
        ("dwave.system", "qsvr.annealing.QPU", "qpu"),
        ("dwave.samplers", "", "qsvr"),
        ("psycopg", "", "postgresql"),
    ],
)
def test_the_extra_is_that_of_whoever_needs_the_package(module, needed_by, extra):
    assert remedy(module, needed_by) == f"pip install 'mlpf-hpo[{extra}]'"


def test_a_missing_module_is_found_behind_other_errors():
    def fails():
        try:
            import no_such_module  # noqa: F401
        except ImportError as error:
            raise ValueError("cannot build it") from error

    with pytest.raises(ValueError, match="cannot") as caught:
        fails()
    assert missing_module(caught.value) == "no_such_module"
    assert missing_module(ValueError("x")) is None


def test_the_importer_is_the_last_module_on_the_way_that_has_an_extra():
    def fails(module):
        names = {"__name__": module}
        exec("def load(): raise ModuleNotFoundError('no scipy', name='scipy')", names)
        try:
            names["load"]()
        except ImportError as error:
            raise ValueError("cannot build it") from error

    for module, found in (("qsvr.forecasting", "qsvr.forecasting"), ("optuna._gp", None)):
        with pytest.raises(ValueError, match="cannot") as caught:
            fails(module)
        assert importer(caught.value) == found
    assert importer(ValueError("x")) is None
