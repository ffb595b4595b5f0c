"""A private PostgreSQL server, which tests can stop and start again."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from testbed.packages import Programs, Unavailable, find_postgres
from testbed.processes import free_ports

_SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{sockets}'
max_connections = 400
shared_buffers = 32MB
# The data must survive the end of the server, not a crash of the machine.
fsync = off
# The library for it is not unpacked.
jit = off
"""


class PostgresServer:
    """A server with one database `optuna` and its user of the same name, who needs a password.

    Attributes:
        folder: data and log of the server.
        port: on 127.0.0.1, the same after `stop` and `start`.
        url: for Optuna or SQLAlchemy, with the password.
        sockets: a folder with a short name for the Unix socket.
    """

    def __init__(self, folder: Path, *, programs: Programs | None = None) -> None:
        """Describe a server; nothing is started yet.

        Args:
            folder: is created and belongs to the server.
            programs: those of PostgreSQL; None: as `find_postgres` finds them.

        Raises:
            Unavailable: PostgreSQL is neither installed nor could it be unpacked, or no user may
                run it.
        """
        self.folder = folder.resolve()
        self._programs = find_postgres() if programs is None else programs
        self._password = secrets.token_hex(8)
        (self.port,) = free_ports(1)
        self.url = f"postgresql://optuna:{self._password}@127.0.0.1:{self.port}/optuna"
        self.sockets = Path(tempfile.gettempdir()) / f"pg-{secrets.token_hex(4)}"
        self._owner = _server_user()

    def __enter__(self) -> PostgresServer:
        try:
            self.create()
            self.start()
            self.query("CREATE DATABASE optuna", database="postgres")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def create(self) -> None:
        """Make the folder of the data."""
        for folder in (self.folder, self.sockets):
            folder.mkdir(mode=0o700, parents=True)
            os.chown(folder, *self._owner)
        password = self.folder / "password"
        password.touch(mode=0o600)
        password.write_text(self._password)
        os.chown(password, *self._owner)
        options = ("--username=optuna", f"--pwfile={password}", "--auth=scram-sha-256")
        self._run("initdb", *options, "--encoding=UTF8", "--locale=C", "--no-sync")
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS.format(port=self.port, sockets=self.sockets))

    def start(self) -> None:
        """Start the server; return when it answers."""
        self._run("pg_ctl", "start", "--wait", f"--log={self.folder / 'log'}")

    def stop(self) -> None:
        """Stop the server: every connection breaks, the data stay for the next `start`."""
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def close(self) -> None:
        """Stop the server, if it runs, and remove its sockets."""
        if (self._data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.sockets, ignore_errors=True)

    def query(self, sql: str, database: str = "optuna") -> str:
        """Return the answer to a statement, one line per row, columns separated by `|`.

        Raises:
            RuntimeError: the statement failed, or there is no server.
        """
        url = f"{self.url.rpartition('/')[0]}/{database}"
        return self._command([self._programs.path("psql"), "-XAtq", "-d", url, "-c", sql])

    @property
    def pid(self) -> int:
        """The process of the server; its connections are children of it."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _run(self, program: str, *arguments: str) -> None:
        as_owner = _run_as(*self._owner)
        self._command([*as_owner, self._programs.path(program), "-D", self._data, *arguments])

    def _command(self, command: list[str | Path]) -> str:
        # Into files: the server would keep a pipe open.
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            result = subprocess.run(
                command,
                cwd="/",
                env=self._programs.environment({**os.environ, "LC_ALL": "C"}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                timeout=60,
                check=False,
            )
            output.seek(0)
            errors.seek(0)
            if result.returncode:
                raise RuntimeError(f"{errors.read().strip()}\n{output.read().strip()}")
            return output.read().strip()


def _server_user() -> tuple[int, int]:
    """User and group of the server: ours, but PostgreSQL refuses to run as root."""
    if os.getuid():
        return os.getuid(), os.getgid()
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return user.pw_uid, user.pw_gid
    raise Unavailable("PostgreSQL refuses to run as root, and there is no user `nobody`")


def _run_as(user: int, group: int) -> list[str]:
    if user == os.getuid():
        return []
    # The parent folders may be open to root only, as those of pytest are.
    capability = "+dac_override"
    return [
        *("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"),
        *(f"--inh-caps={capability}", f"--ambient-caps={capability}"),
    ]
