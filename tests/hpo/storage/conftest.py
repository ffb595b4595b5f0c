import pytest


@pytest.fixture(autouse=True)
def no_passwords(monkeypatch):
    """Leave no password of a test in the environment."""
    monkeypatch.setenv("HPO_STORAGE_PASSWORD_0", "")
    monkeypatch.delenv("HPO_STORAGE_PASSWORD_0")
    monkeypatch.setenv("HPO_STORAGE_PASSWORD_1", "")
    monkeypatch.delenv("HPO_STORAGE_PASSWORD_1")
