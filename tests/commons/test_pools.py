"""Tasks on several processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commons.pools import advance, run_tasks
from commons.processes import is_alive


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


@pytest.mark.parametrize("n_processes", [1, 2])
def test_each_result_is_told_with_the_place_of_its_task(n_processes):
    told = {}
    run_tasks(
        double,
        range(7),
        n_steps=7,
        description="doubling",
        n_processes=n_processes,
        on_result=told.__setitem__,
    )
    assert told == {place: 2 * place for place in range(7)}


def test_no_tasks_have_no_results():
    assert run_tasks(double, [], n_steps=0, description="nothing", isolated=True) == []


def test_nothing_is_printed_where_there_is_no_terminal(capsys):
    run_tasks(double, [1, 2], n_steps=2, description="doubling", n_processes=1)
    assert capsys.readouterr() == ("", "")


def test_a_single_task_runs_in_this_process():
    assert run_tasks(process_id, [1], n_steps=1, description="", n_processes=4) == [os.getpid()]


def test_an_error_in_a_task_reaches_the_caller():
    with pytest.raises(ValueError, match="task"):
        run_tasks(fail, [1, 2], n_steps=2, description="", n_processes=2)


def test_a_killed_worker_is_one_clear_line():
    with pytest.raises(ChildProcessError, match="a process was killed"):
        run_tasks(die, [1, 2], n_steps=2, description="", n_processes=2)


def test_progress_may_be_reported_outside_of_a_task():
    advance(3)


def threads(_: int) -> list[str | None]:
    return [os.environ.get(f"{name}_NUM_THREADS") for name in ("OMP", "MKL", "OPENBLAS")]


def test_each_process_has_one_numerical_thread_and_this_one_keeps_its_own(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    results = run_tasks(threads, [1, 2], n_steps=0, description="", n_processes=2)
    assert results == 2 * [["1", "1", "1"]]
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert "MKL_NUM_THREADS" not in os.environ


def test_workers_end_when_their_parent_is_killed(tmp_path, wait_until):
    code = (
        "from tests.commons.test_pools import *\n"
        f"run_tasks(note_process_and_sleep, [{str(tmp_path)!r}] * 2,"
        " n_steps=2, description='', n_processes=2)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2]) as parent:
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
        parent.kill()
    workers = [int(path.name) for path in tmp_path.iterdir()]
    wait_until(lambda: not any(map(is_alive, workers)))
