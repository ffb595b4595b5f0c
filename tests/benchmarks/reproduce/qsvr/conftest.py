from pathlib import Path

import pytest

from qsvr.benchmark.curves import read_curves

SHARED = Path(__file__).parents[5] / "shared/data"


@pytest.fixture(scope="session")
def curves_csv():
    """The published table of learning curves, where this machine has it."""
    path = SHARED / "curves/mlpf_delphes.csv"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path


@pytest.fixture(scope="session")
def mlpf(curves_csv):
    """The published learning curves."""
    return read_curves(curves_csv)


@pytest.fixture(scope="session")
def qpu():
    """The folder of the recorded runs, where this machine has it."""
    folder = SHARED / "qpu"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder
