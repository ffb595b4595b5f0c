"""A private Redis or Valkey server, which tests can stop and start again."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from pathlib import Path
from types import TracebackType

from testbed.packages import Programs, find_redis
from testbed.processes import free_ports

_LIMIT_S = 20.0


class RedisServer:
    """A server that keeps what it was told on the disk, and needs a password.

    Attributes:
        folder: data and log of the server.
        port: on 127.0.0.1, the same after `stop` and `start`.
        url: with the password, of data base 0.
    """

    def __init__(self, folder: Path, *, programs: Programs | None = None) -> None:
        """Describe a server; nothing is started yet.

        Args:
            folder: is created and belongs to the server.
            programs: those of Redis; None: as `find_redis` finds them.

        Raises:
            Unavailable: it is neither installed nor could it be unpacked.
        """
        self.folder = folder.resolve()
        self._programs = find_redis() if programs is None else programs
        self._password = secrets.token_hex(8)
        (self.port,) = free_ports(1)
        self.url = f"redis://:{self._password}@127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RedisServer:
        self.folder.mkdir(mode=0o700, parents=True)
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process of the server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server; return when it answers.

        Raises:
            RuntimeError: it does not.
        """
        import redis

        settings = self.folder / "redis.conf"
        settings.touch(mode=0o600)  # a command line could be read by everybody
        settings.write_text(
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {self._password}\n"
            f"dir {self.folder}\nappendonly yes\nappendfsync everysec\nsave ''\ndatabases 64\n"
        )
        program = "redis-server" if self._programs.has("redis-server") else "valkey-server"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs.path(program), str(settings)],
                env=self._programs.environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + _LIMIT_S
        with redis.Redis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                except redis.ConnectionError as error:
                    if self._process.poll() is not None or time.monotonic() > deadline:
                        text = (self.folder / "log").read_text(errors="replace")[-500:]
                        raise RuntimeError(f"the server does not answer: {text}") from error
                    time.sleep(0.02)
                else:
                    return

    def stop(self) -> None:
        """Stop the server: every connection breaks, the data stay for the next `start`."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(_LIMIT_S)
