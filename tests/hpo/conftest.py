"""Sweeps of a toy application, in this process or as a command of their own."""

import importlib.util
import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest

from hpo.storage.opening import open_storage
from testbed.processes import free_ports

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@pytest.fixture(autouse=True)
def quiet_optuna():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(autouse=True)
def no_lease_goes_on():
    """Ends the heartbeats of owners that a test lets die: they would speak in later tests."""
    yield
    for thread in threading.enumerate():
        if thread.name == "lease" and (beat := getattr(thread, "_target", None)):
            beat.__self__._stop.set()
            thread.join(5)


@pytest.fixture
def database(request):
    """The URL of a new data base on the PostgreSQL server."""
    postgres = request.getfixturevalue("postgres")
    name = f"t{secrets.token_hex(4)}"
    postgres.query(f"CREATE DATABASE {name}")
    return f"{postgres.url.rpartition('/')[0]}/{name}"


@pytest.fixture
def proxy(tmp_path):
    """The address of Optuna's gRPC proxy, here in a thread, in front of a journal file."""
    from optuna.storages._grpc.server import make_server  # needs the extra [grpc]

    (port,) = free_ports(1)
    journal = open_storage(tmp_path / "journal.log", tmp_path)
    server = make_server(journal, "127.0.0.1", port)
    server.start()
    yield f"grpc://127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def storages(tmp_path, request):
    """Makes a storage of a kind; workers of one study may each make their own."""
    opened = []

    def make(kind):
        if kind == "journal":
            return open_storage(tmp_path / "journal.log", tmp_path)
        if kind == "sqlite":
            return open_storage(f"sqlite:///{tmp_path}/study.db", tmp_path)
        url = request.getfixturevalue({"postgresql": "database", "grpc": "proxy"}[kind])
        opened.append(open_storage(url, tmp_path))
        return opened[-1]

    yield make
    for storage in opened:
        storage.remove_session()
        if hasattr(storage, "close"):
            storage.close()
        else:
            storage._backend.engine.dispose()


@contextmanager
def _toy_in(folder):
    """Runs `python toy.py ...` inside this process and a folder; returns the exit code."""
    spec = importlib.util.spec_from_file_location("toy", HERE / "toy" / "toy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def run(*arguments):
        patch.setattr(sys, "argv", ["toy.py", *arguments])
        code = 0
        try:
            module.main()
        except SystemExit as error:
            code = error.code
        for handler in set(root.handlers) - set(handlers):
            root.removeHandler(handler)
            handler.close()
        return (code,)

    run.module = module
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("hpo.report.Artist.draw", lambda *_: None)  # slow, tested apart
        patch.setattr("hpo.report.Artist.prepare", lambda *_: None)
        yield run
    root.handlers[:] = handlers
    root.setLevel(level)
    for logger in map(logging.getLogger, list(logging.root.manager.loggerDict)):
        logger.disabled = False


@pytest.fixture(scope="session")
def toy_in():
    """See `_toy_in`."""
    return _toy_in


@pytest.fixture
def toy(tmp_path, capsys):
    """Runs `python toy.py ...` inside this process; returns exit code and what it printed."""
    with _toy_in(tmp_path) as run:

        def run_and_read(*arguments):
            (code,) = run(*arguments)
            printed = capsys.readouterr()
            return code, printed.out + printed.err

        run_and_read.module = run.module
        yield run_and_read


class Command:
    """A sweep as its users run it, in its own process group."""

    def __init__(self, folder, app, *arguments, environment=os.environ):
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / app), *arguments],
            cwd=folder,
            env={**environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def end(self):
        """Wait; return exit code and output."""
        output, _ = self.process.communicate(timeout=120)
        return self.process.returncode, output

    def interrupt(self):
        """Ctrl-C that reaches the parent alone."""
        self.process.send_signal(signal.SIGINT)


@pytest.fixture
def shell(tmp_path):
    """Starts a command in `tmp_path`; kills what is left of it at the end."""
    commands = []

    def start(app, *arguments, **options):
        commands.append(Command(tmp_path, app, *arguments, **options))
        return commands[-1]

    yield start
    for command in commands:
        if command.process.poll() is None:
            command.process.kill()
            command.process.wait()


@pytest.fixture
def study(tmp_path):
    """Reads the study of a sweep folder."""

    def read(name="toy", folder="sweep"):
        return optuna.load_study(study_name=name, storage=open_storage(None, tmp_path / folder))

    return read
