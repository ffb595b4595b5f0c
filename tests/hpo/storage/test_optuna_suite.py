"""Optuna's tests of a storage, on ours.

Left out: Optuna's proxy and PostgreSQL, which are Optuna's own behind `PatientStorage` like
sqlite, and our journals behind a proxy or in PostgreSQL, which differ from that on Redis
(`test_redis_journal.py`) in two short methods. They cost seconds each.
"""

import pytest
from optuna.storages import JournalStorage
from optuna.testing.pytest_storages import StorageTestCase

from hpo.storage.journal import JournalFile
from hpo.storage.opening import open_storage


class TestJournalFile(StorageTestCase):
    @pytest.fixture
    def storage(self, tmp_path):
        return JournalStorage(JournalFile(tmp_path / "journal.log"))


class TestPatientJournal(StorageTestCase):
    @pytest.fixture
    def storage(self, tmp_path):
        return open_storage(None, tmp_path, patience_s=1)


class TestPatientDatabase(StorageTestCase):
    @pytest.fixture
    def storage(self, tmp_path):
        return open_storage(f"sqlite:///{tmp_path}/study.db", tmp_path, patience_s=1)
