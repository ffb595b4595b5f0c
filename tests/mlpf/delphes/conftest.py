from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[4] / "shared/data/delphes_root"


@pytest.fixture
def delphes_file() -> Callable[[str], Path]:
    """Paths of real Delphes files: pu0 (20 events), pu20 (5) and pu0_skim (5, copied by ROOT)."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared/data/delphes_root")
    return lambda name: SHARED / f"tev14_pythia8_ttbar_{name}.root"
