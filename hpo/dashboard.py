"""The command `hpo dashboard`: a study in a browser, with optuna-dashboard; see `--help`.

It answers this machine alone by default, and refuses all that would change the study: the pages of
optuna-dashboard have buttons that rename and delete.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna

from commons.cli import UsageError, run_command
from commons.console import Console
from commons.optuna_internals import study_id
from hpo.report import with_folder
from hpo.storage.finding import find_storage, find_study
from hpo.storage.opening import open_storage

USAGE = """\
Show a study in a browser, live, with optuna-dashboard. Nothing can be changed there.

    python -m hpo.dashboard FOLDER
    python -m hpo.dashboard storage=WHERE [study=NAME] [port=8080] [host=127.0.0.1]

FOLDER   that of a sweep: short for storage=FOLDER
storage  journal file, sweep folder, or database URL
study    name of the study to open; may be left out if the storage holds one only
port     of this machine; 0: a free one
host     address to listen on. 127.0.0.1: only this machine; from another one:
         ssh -L 8080:localhost:8080 THIS_MACHINE. Others could read the study: there is no password

Needs optuna-dashboard: pip install 'mlpf-hpo[dashboard]'. Ctrl-C ends it.
"""
_READS = {"GET", "HEAD"}
_REFUSAL = b'{"reason": "this dashboard only reads; see hpo dashboard --help"}'

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass
class Settings:
    """What the command line may set, see USAGE."""

    storage: str
    study: str | None = None
    port: int = 8080
    host: str = "127.0.0.1"


class _Server(ThreadingMixIn, WSGIServer):
    """Browsers open connections that they do not use at once; each has its thread."""

    daemon_threads = True


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *_: Any) -> None:
        """Log nothing: each page asks every few seconds."""


def reading_only(application: Application) -> Application:
    """Return a WSGI application that refuses requests which could change something."""

    def answer(environment: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environment["REQUEST_METHOD"] in _READS:
            return application(environment, start)
        start("403 Forbidden", [("Content-Type", "application/json")])
        return [_REFUSAL]

    return answer


def serve(settings: Settings) -> tuple[WSGIServer, str]:
    """Return a server for a study, and the address of its page; it listens.

    Raises:
        UsageError: the study does not exist, or the port cannot be used.
        ModuleNotFoundError: optuna-dashboard is not installed.
    """
    from optuna_dashboard import wsgi

    location = find_storage(settings.storage)
    storage = open_storage(str(location), Path.cwd(), exists=True)
    name = find_study(storage, settings.study)
    number = study_id(optuna.load_study(study_name=name, storage=storage))
    application = reading_only(wsgi(storage))
    try:
        server = make_server(settings.host, settings.port, application, _Server, _Handler)
    except (OSError, OverflowError) as error:
        where = f"port={settings.port} of host={settings.host}"
        raise UsageError(f"{where} cannot be used: {error}; port=0 takes a free one") from error
    return server, f"http://{settings.host}:{server.server_port}/dashboard/studies/{number}"


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    return run_command(_dashboard, Settings, with_folder(arguments), USAGE)


def _dashboard(settings: Settings) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    server, url = serve(settings)
    port = server.server_port
    console = Console()
    console.print(f"the study is shown at {url}", soft_wrap=True)
    if settings.host == "127.0.0.1":
        tunnel = f"ssh -L {port}:localhost:{port} {socket.gethostname()}"
        console.print(f"from another machine: {tunnel}", soft_wrap=True)
    console.print("Ctrl-C ends it; the study goes on")
    sys.stdout.flush()
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            console.print("ended")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
