"""An Optuna journal on a Redis or Valkey server: no lock and no file system between workers.

The keys are those of Optuna's `JournalRedisBackend`, so that its tools read the study. That one
asks the server once per record; here any number of records is one request, to write or to read.
An append is one script, which the server runs alone, so that no lock is needed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from optuna.storages.journal import BaseJournalBackend

from commons.optuna_internals import JournalOperation
from hpo.storage.identity import StorageLostError
from hpo.storage.passwords import hide
from hpo.storage.records import Record, dump, parse

SCHEMES = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss"}
_CHUNK = 1000  # records per request
_TIMEOUT_S = 30.0
# A record that cannot be replayed keeps its number: Optuna skips this operation.
_NOTHING: Record = {"op_code": int(JournalOperation.DISCARD_TRIALS), "worker_id": ""}
# ARGV: number of the last record that was read, -1: none; it; then what the script is for.
_SAME = """
local known = tonumber(ARGV[1])
if known >= 0 and redis.call('get', ':log:' .. known) ~= ARGV[2] then
  return redis.error_reply('OTHERJOURNAL')
end
local last = tonumber(redis.call('get', ':log_number') or '-1')
"""
_READ = (
    _SAME
    + """
local found = {}
for i = tonumber(ARGV[3]), math.min(last, tonumber(ARGV[3]) + tonumber(ARGV[4]) - 1) do
  found[#found + 1] = redis.call('get', ':log:' .. i) or ''
end
return found
"""
)
_APPEND = (
    _SAME
    + """
for i = 3, #ARGV do
  last = last + 1
  redis.call('set', ':log:' .. last, ARGV[i])
end
redis.call('set', ':log_number', last)
return last
"""
)


class RedisJournal(BaseJournalBackend):
    """The journal of one data base of a server, for `optuna.storages.JournalStorage`.

    Args:
        url: `redis://[[user]:password@]host[:port][/database]`, or with `rediss` (TLS), `valkey`
            or `valkeys`.

    Raises:
        redis.RedisError: the server cannot be reached.
    """

    def __init__(self, url: str) -> None:
        import redis

        scheme, colon, rest = url.partition(":")
        self._url = url
        address = SCHEMES[scheme] + colon + rest
        self._client = redis.Redis.from_url(address, socket_timeout=_TIMEOUT_S)
        self._other = redis.ResponseError
        self._client.ping()
        self._lock, self._known, self._last = threading.Lock(), -1, b""

    def __reduce__(self) -> tuple[type[RedisJournal], tuple[str]]:
        return RedisJournal, (self._url,)

    def read_logs(self, log_number_from: int) -> Iterator[Record]:
        """Yield the records from number `log_number_from` on, counted from 0.

        Raises:
            redis.RedisError: the server cannot be reached.
            StorageLostError: it does not have the last record that was read before.
        """
        number, full = log_number_from, True
        while full:
            lines = self._run(_READ, number, _CHUNK)
            full = len(lines) == _CHUNK
            for line in lines:
                with self._lock:
                    if number > self._known:
                        self._known, self._last = number, line
                number += 1
                records, pieces = parse(line)
                yield records[0] if len(records) == 1 and not pieces else _NOTHING

    def append_logs(self, logs: list[Record]) -> None:
        """Append records in one piece.

        Raises:
            redis.RedisError: they cannot be written.
            StorageLostError: the server does not have the last record that was read before.
        """
        if logs:
            self._run(_APPEND, *[dump(record).rstrip(b"\n") for record in logs])

    def _run(self, script: str, *arguments: Any) -> Any:
        with self._lock:
            known, last = self._known, self._last
        try:
            return self._client.eval(script, 0, known, last, *arguments)
        except self._other as error:
            if "OTHERJOURNAL" not in str(error):
                raise
            raise StorageLostError(
                f"{hide(self._url, ())}: this is not the journal any more that this process has "
                f"used: record {known} is gone or another one, perhaps because the server was "
                "restarted without its data (it needs `appendonly yes`). Nothing was written. "
                "Restore its data and repeat the command; without them, it goes on from what the "
                "server has"
            ) from error


def is_address(spec: str) -> bool:
    """Tell whether a storage setting names such a server."""
    scheme, slashes, _ = spec.partition("://")
    return bool(slashes) and scheme in SCHEMES
