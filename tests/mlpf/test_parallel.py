"""Tasks on several processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commons.processes import is_alive
from mlpf.config import ConfigError
from mlpf.parallel import advance, available_cores, run_tasks


def double(number: int) -> int:
    advance()
    return 2 * number


def fail(number: int) -> int:
    raise ValueError(f"task {number}")


def die(number: int) -> int:
    os._exit(1)


def process_id(number: int) -> int:
    return os.getpid()


def note_process_and_sleep(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(60)


@pytest.mark.parametrize("n_processes", [1, 2])
def test_results_come_in_the_order_of_the_tasks(n_processes):
    results = run_tasks(
        double, range(7), n_steps=7, description="doubling", n_processes=n_processes
    )
    assert results == [0, 2, 4, 6, 8, 10, 12]


def test_a_single_task_runs_in_this_process():
    assert run_tasks(process_id, [1], n_steps=1, description="", n_processes=4) == [os.getpid()]


def test_an_error_in_a_task_reaches_the_caller():
    with pytest.raises(ValueError, match="task"):
        run_tasks(fail, [1, 2], n_steps=2, description="", n_processes=2)


def test_a_killed_worker_is_one_clear_line():
    with pytest.raises(ConfigError, match="worker process was killed"):
        run_tasks(die, [1, 2], n_steps=2, description="", n_processes=2)


def test_progress_may_be_reported_outside_of_a_task():
    advance(3)


def test_at_least_one_core_is_available():
    assert 1 <= available_cores() <= (os.cpu_count() or 1)


def test_workers_end_when_their_parent_is_killed(tmp_path):
    code = (
        "from tests.mlpf.test_parallel import *\n"
        f"run_tasks(note_process_and_sleep, [{str(tmp_path)!r}] * 2,"
        " n_steps=2, description='', n_processes=2)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2]) as parent:
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
        parent.kill()
    workers = [int(path.name) for path in tmp_path.iterdir()]
    wait_until(lambda: not any(map(is_alive, workers)))


def wait_until(condition) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)
