"""Workers that are forked from one process: what each gets, and when nothing is forked."""

import atexit
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from commons.processes import is_alive
from hpo.launch.forks import begun, forks
from hpo.launch.payload import Payload, read_result

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Job(Payload):
    """Runs without Hydra."""

    def run(self, config):
        print("hello", config.name, flush=True)
        if config.sleeps:
            time.sleep(60)
        if config.name == "ends":
            sys.exit(5)
        if config.name == "ends late":
            atexit.register(print, "at exit", end="")
            threading.Thread(target=_print_late).start()
        result = JobReturn(status=JobStatus.COMPLETED)
        if config.name == "names modules":
            result.return_value = {*sys.modules}
            return result
        own = os.environ.get("OWN"), os.environ.get("SHARED"), os.getsid(0) == os.getpid()
        result.return_value = *own, sys.stdin.read(), float(np.random.rand())  # noqa: NPY002
        return result


def _print_late():
    time.sleep(0.1)
    print("late")


class StartsThread:
    """Its journey to another process starts a thread there."""

    def __reduce__(self):
        return _start_thread, ()


def _start_thread():
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()


class Records:
    """Its journey to another process imports a module there."""

    def __reduce__(self):
        return import_module, ("email.mime.audio",)

    def __call__(self, _):
        """Do nothing."""


class CannotBeRead:
    """Its journey to another process fails there."""

    def __reduce__(self):
        return _fail, ()


def _fail():
    raise RuntimeError("cannot be read")


@pytest.fixture
def start(tmp_path):
    """Starts a job in a fork of a server; returns the process, its output and its result."""

    def run(server, name, sleeps=False, **environment):
        config = OmegaConf.create({"name": name, "sleeps": sleeps})
        files = tmp_path / f"{name}.txt", tmp_path / f"{name}.pkl"
        return server.start(config, {**place(), **environment}, *files), *files

    return run


def place():
    return {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}


def job(function=None):
    return Job(SimpleNamespace(), OmegaConf.create(), function)


def test_each_fork_has_its_own_environment_output_session_and_random_numbers(start):
    with forks(job(), {**place(), "SHARED": "yes"}) as server:
        started = [start(server, name, OWN=name) for name in "ab"]
        assert [process.wait() for process, _, _ in started] == [0, 0]
    results = [read_result(result).return_value for _, _, result in started]
    assert [result[:4] for result in results] == [("a", None, True, ""), ("b", None, True, "")]
    assert results[0][4] != results[1][4]
    assert [output.read_text() for _, output, _ in started] == ["hello a\n", "hello b\n"]


def test_it_is_told_how_a_fork_has_ended(start, wait_until):
    with forks(job(), place()) as server:
        ends, _, result = start(server, "ends")
        sleeps, output, _ = start(server, "sleeps", sleeps=True)
        assert ends.wait() == 5
        assert read_result(result) is None
        assert sleeps.poll() is None
        wait_until(lambda: output.exists() and output.read_text())
        sleeps.send_signal(signal.SIGINT)
        assert sleeps.wait() == 130
        other, _, _ = start(server, "other", sleeps=True)
        other.kill()
        assert other.wait() == -signal.SIGKILL
        other.send_signal(signal.SIGINT)  # nothing happens


def test_a_fork_ends_after_its_threads_and_its_functions_at_exit(start):
    with forks(job(), place()) as server:
        process, output, _ = start(server, "ends late")
        assert process.wait() == 0
    assert output.read_text() == "hello ends late\nlate\nat exit"


def test_forks_end_with_their_server(start, wait_until):
    with forks(job(), place()) as server:
        process, output, _ = start(server, "a", sleeps=True)
        wait_until(lambda: output.exists() and output.read_text())
        parent = int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(parent, signal.SIGKILL)
        assert process.wait() == -signal.SIGTERM
        wait_until(lambda: not is_alive(process.pid))


def test_nothing_is_forked_where_the_application_has_started_threads(start):
    with forks(job(StartsThread()), place()) as server:
        assert server is None


def test_nothing_is_forked_where_the_job_cannot_be_read():
    with forks(job(CannotBeRead()), place()) as server:
        assert server is None


def test_a_server_that_was_begun_early_serves_one_launch_after_the_other(start):
    with begun(place(), CannotBeRead()):
        with forks(job(), place()) as server:
            assert start(server, "a")[0].wait() == 0
        with forks(job(), place()) as again:
            assert again is server
            process, output, _ = start(again, "b")
            assert process.wait() == 0
            assert output.read_text() == "hello b\n"
    assert not server.is_alive


def test_a_server_that_was_begun_early_has_imported_what_the_application_needs(start):
    with begun(place(), Records()), forks(job(), place()) as server:
        process, _, result = start(server, "names modules")
        assert process.wait() == 0
    assert {"hpo.worker.worker", "email.mime.audio"} <= read_result(result).return_value


def test_a_server_that_has_died_before_the_launch_is_replaced(start):
    with begun(place(), print):
        with forks(job(), place()) as server:
            process, _, _ = start(server, "a", sleeps=True)
            parent = int(Path(f"/proc/{process.pid}/stat").read_text().split()[3])
            os.kill(parent, signal.SIGKILL)
            assert process.wait() == -signal.SIGTERM
            server.close()
        with forks(job(), place()) as other:
            assert start(other, "b")[0].wait() == 0
