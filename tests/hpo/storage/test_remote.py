import pytest

from hpo.storage.identity import StorageLostError
from hpo.storage.records import dump
from hpo.storage.remote import CHUNK, OtherJournalError, RemoteJournal


class InMemory(RemoteJournal):
    """A server that is a list."""

    def __init__(self):
        super().__init__("list://")
        self.lines, self.requests = [], 0

    def _check(self, known):
        if known.number >= 0 and self.lines[known.number : known.number + 1] != [known.line]:
            raise OtherJournalError

    def _read(self, known, begin):
        self._check(known)
        self.requests += 1
        return self.lines[begin : begin + CHUNK]

    def _append(self, known, lines):
        self._check(known)
        self.lines += lines


def record(i):
    return {"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {"i": i}}


def numbers(records):
    return [each["user_attr"]["i"] for each in records]


def test_what_is_new_is_read_in_large_pieces():
    journal = InMemory()
    journal.append_logs([record(i) for i in range(2 * CHUNK + 5)])
    assert numbers(journal.read_logs(0)) == list(range(2 * CHUNK + 5))
    assert journal.requests == 3
    assert numbers(journal.read_logs(2 * CHUNK + 4)) == [2 * CHUNK + 4]
    journal.append_logs([])
    assert list(journal.read_logs(2 * CHUNK + 5)) == []


def test_a_reader_that_stops_goes_on_where_it_was():
    journal = InMemory()
    journal.append_logs([record(i) for i in range(5)])
    reader = journal.read_logs(0)
    assert numbers([next(reader), next(reader)]) == [0, 1]
    reader.close()
    assert numbers(journal.read_logs(2)) == [2, 3, 4]


def test_a_record_that_cannot_be_replayed_keeps_its_number():
    journal = InMemory()
    journal.lines = [b"no json", b"", dump(record(7)).rstrip()]
    first, second, third = journal.read_logs(0)
    assert first == second
    assert first["op_code"] == 10  # Optuna skips it
    assert numbers([third]) == [7]


@pytest.mark.parametrize("left", [[], [dump(record(8)).rstrip()]])
def test_a_server_without_the_last_record_is_an_error(left):
    journal = InMemory()
    journal.append_logs([record(7)])
    assert numbers(journal.read_logs(0)) == [7]
    journal.lines = list(left)
    for use in (lambda: list(journal.read_logs(1)), lambda: journal.append_logs([record(9)])):
        with pytest.raises(StorageLostError, match="list://: this is not the journal any more"):
            use()
    assert journal.lines == left
