"""The proxy: one process in front of the storage of a study, see `--help`."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from commons.cli import Failure, run_command
from commons.extras import missing_module, remedy
from commons.optuna_internals import proxy_server
from hpo.storage.opening import open_storage
from hpo.storage.passwords import hide
from hpo.storage.proxy import OPTIONS, JournalService, handler

USAGE = """\
One process in front of a storage, for workers with hpo.storage=grpc://HOST:PORT.

    python -m hpo.serve storage=journal.log [port=13000] [host=127.0.0.1]

storage  a journal file, also a new one, or a database URL
port     where it listens
host     at which address of this machine; workers on other machines need that of the network
         which the nodes share, or 0.0.0.0: all of them

It has no access control: all who reach the address can change the study, so it serves this
machine alone unless you say more. Ctrl-C ends it; the study stays.
"""
_N_THREADS = 64  # what as many workers append at once is written together


@dataclass
class Settings:
    """What the command line may set, see USAGE."""

    storage: str
    port: int = 13000
    host: str = "127.0.0.1"


@contextmanager
def serving(settings: Settings) -> Iterator[None]:
    """Serve a storage meanwhile.

    Raises:
        SettingError: it cannot be opened.
        RuntimeError: the port is in use.
    """
    storage = open_storage(settings.storage, Path.cwd(), patience_s=60.0)
    is_file = "://" not in settings.storage
    handlers = [handler(JournalService(Path(settings.storage)))] if is_file else []
    address = f"{settings.host}:{settings.port}"
    server = proxy_server(storage, address, _N_THREADS, handlers, OPTIONS)
    server.start()
    try:
        yield
    finally:
        server.stop(grace=1.0).wait()


def main(arguments: list[str]) -> int:
    """Serve until a signal comes; see USAGE."""
    return run_command(_serve, Settings, arguments, USAGE)


def _serve(settings: Settings) -> int:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        with serving(settings):
            shown = hide(settings.storage, ())
            sys.stdout.write(f"serving {shown} at {settings.host}:{settings.port}\n")
            sys.stdout.flush()
            ended.wait()
    except RuntimeError as error:  # of gRPC: the port is in use, for example
        raise Failure(f"{settings.host}:{settings.port}: {error}") from error
    except ModuleNotFoundError as error:
        raise Failure(f"{error}: {remedy(missing_module(error) or 'grpc')}") from error
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
