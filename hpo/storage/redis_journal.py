"""An Optuna journal on a Redis or Valkey server.

The keys are those of Optuna's `JournalRedisBackend`, so that its tools read the study. That one
asks the server once per record. An append is one script, which the server runs alone, so that no
lock is needed. The server has to keep its data over a restart (`appendonly yes`).
"""

from __future__ import annotations

from typing import Any

from hpo.storage.passwords import hide
from hpo.storage.remote import CHUNK, TIMEOUT_S, Known, OtherJournalError, RemoteJournal

_SCHEMES = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss"}
_OTHER = "OTHERJOURNAL"
# ARGV: number of the last record that was read, -1: none; it; then what the script is for.
_SAME = f"""
local known = tonumber(ARGV[1])
if known >= 0 and redis.call('get', ':log:' .. known) ~= ARGV[2] then
  return redis.error_reply('{_OTHER}')
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


class RedisJournal(RemoteJournal):
    """The journal of one data base of a server, for `optuna.storages.JournalStorage`.

    Args:
        url: `redis://[[user]:password@]host[:port][/database]`, or with `rediss` (TLS), `valkey`
            or `valkeys`.

    Raises:
        redis.RedisError: the server cannot be reached.
    """

    def __init__(self, url: str) -> None:
        import redis

        super().__init__(hide(url, ()))
        scheme, colon, rest = url.partition(":")
        address = _SCHEMES[scheme] + colon + rest
        self._url, self._refusal = url, redis.ResponseError
        self._client = redis.Redis.from_url(address, socket_timeout=TIMEOUT_S)
        self._client.ping()

    def __reduce__(self) -> tuple[type[RedisJournal], tuple[str]]:
        return RedisJournal, (self._url,)

    def _read(self, known: Known, begin: int) -> list[bytes]:
        lines: list[bytes] = self._run(_READ, known, begin, CHUNK)
        return lines

    def _append(self, known: Known, lines: list[bytes]) -> None:
        self._run(_APPEND, known, *lines)

    def _run(self, script: str, *arguments: Any) -> Any:
        known, *others = arguments
        try:
            return self._client.eval(script, 0, *known, *others)
        except self._refusal as error:
            raise (OtherJournalError() if _OTHER in str(error) else error) from error


def is_address(spec: str) -> bool:
    """Tell whether a storage setting names such a server."""
    scheme, slashes, _ = spec.partition("://")
    return bool(slashes) and scheme in _SCHEMES
