"""An Optuna journal in a table of PostgreSQL: `journal+postgresql://user@host/database`.

Optuna's own tables need several requests for each value and a whole unfinished trial at each look.
The table `hpo_journal` has the records of a journal, one row each: any number of them is one
request, to append or to read. One data base has one journal.
"""

from __future__ import annotations

import re
import threading
from typing import Any

from hpo.storage.passwords import hide
from hpo.storage.remote import CHUNK, TIMEOUT_S, Known, OtherJournalError, RemoteJournal

_PREFIX = "journal+"
_OTHER = "OTHERJOURNAL"
# Writers wait for each other, readers for nobody; rows appear in the order of their numbers.
_CREATE = f"""
SELECT pg_advisory_xact_lock(6840281);
CREATE TABLE IF NOT EXISTS hpo_journal (number bigint PRIMARY KEY, line text NOT NULL);
CREATE OR REPLACE FUNCTION hpo_append(known bigint, last text, lines text[]) RETURNS bigint AS $$
DECLARE
  before bigint;
BEGIN
  LOCK TABLE hpo_journal IN SHARE ROW EXCLUSIVE MODE;
  IF known >= 0 AND last IS DISTINCT FROM (SELECT line FROM hpo_journal WHERE number = known) THEN
    RAISE EXCEPTION '{_OTHER}';
  END IF;
  SELECT coalesce(max(number), -1) INTO before FROM hpo_journal;
  INSERT INTO hpo_journal
    SELECT before + i, new_line FROM unnest(lines) WITH ORDINALITY AS new(new_line, i);
  RETURN before;
END $$ LANGUAGE plpgsql;
"""
_APPEND = "SELECT hpo_append(%s, %s, %s)"
_READ = """
SELECT number, line FROM hpo_journal WHERE number = %s OR number >= %s ORDER BY number LIMIT %s
"""


class PostgresJournal(RemoteJournal):
    """The journal of one data base, for `optuna.storages.JournalStorage`.

    Args:
        url: `journal+postgresql://user[:password]@host[:port]/database`.

    Raises:
        psycopg.Error: the data base cannot be reached, or the table not be made.
    """

    def __init__(self, url: str) -> None:
        self._connection: Any = None
        super().__init__(hide(url, ()))
        self._url, self._using = url, threading.Lock()
        self._run(_CREATE)

    def __reduce__(self) -> tuple[type[PostgresJournal], tuple[str]]:
        return PostgresJournal, (self._url,)

    def __del__(self) -> None:
        self._disconnect()

    def _read(self, known: Known, begin: int) -> list[bytes]:
        rows = self._run(_READ, known.number, begin, CHUNK + 1)
        lines = {number: line.encode() for number, line in rows}
        if known.number >= 0 and lines.get(known.number) != known.line:
            raise OtherJournalError
        return [line for number, line in lines.items() if number >= begin][:CHUNK]

    def _append(self, known: Known, lines: list[bytes]) -> None:
        texts = [line.decode() for line in lines]
        self._run(_APPEND, known.number, known.line.decode(), texts)

    def _run(self, statement: str, *arguments: Any) -> list[Any]:
        import psycopg

        with self._using:
            try:
                if self._connection is None:
                    address = re.sub(r"^journal\+postgresql(\+\w+)?:", "postgresql:", self._url)
                    limit_s = round(TIMEOUT_S)
                    self._connection = psycopg.connect(
                        address, autocommit=True, connect_timeout=limit_s
                    )
                cursor = self._connection.execute(statement, arguments or None)
                return cursor.fetchall() if arguments else []
            except psycopg.errors.RaiseException as error:
                raise (OtherJournalError() if _OTHER in str(error) else error) from error
            except (psycopg.OperationalError, psycopg.InterfaceError):
                self._disconnect()
                raise

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def is_address(spec: str) -> bool:
    """Tell whether a storage setting names a journal in a data base."""
    return spec.startswith(f"{_PREFIX}postgresql") and "://" in spec
