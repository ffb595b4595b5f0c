"""The public API: every name exists, has an example, and costs nothing before it is used."""

import subprocess
import sys
from pathlib import Path

import pytest

import mlpf

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", mlpf.__all__)
def test_every_public_name_has_a_text_with_an_example(name):
    assert ">>> " in getattr(mlpf, name).__doc__


def test_importing_mlpf_imports_nothing_heavy():
    code = (
        "import mlpf, sys; heavy = {'torch', 'numpy', 'hydra', 'pyarrow'}; "
        "assert mlpf.__version__; sys.exit(bool(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_reading_events_needs_no_torch():
    code = "import sys; from mlpf import read_events; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
