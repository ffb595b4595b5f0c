import os

import pytest


@pytest.fixture(autouse=True)
def no_passwords():
    """Leave no password of a test in the environment."""
    yield
    for name in [name for name in os.environ if name.startswith("HPO_SECRET")]:
        del os.environ[name]
