"""Independent tasks on several processes with one progress bar."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from commons.console import Console
from commons.processes import THREAD_VARIABLES, end_with_parent, n_cores

Task = TypeVar("Task")
Result = TypeVar("Result")

# Where `advance` counts to: the progress bar itself or, in a worker, memory it shares.
_count: Callable[[int], None] | None = None


def advance(n: int = 1) -> None:
    """Tell the progress bar, from within a task, that `n` more steps are done."""
    if _count is not None:
        _count(n)


def run_tasks(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    n_steps: int,
    description: str,
    n_processes: int | None = None,
    isolated: bool = False,
    on_result: Callable[[int, Result], None] | None = None,
) -> list[Result]:
    """Return `function(task)` for each task, in the order of the tasks.

    An error of a task is raised at once. Each new process has one numerical thread.

    Args:
        function: importable by name; it reports its progress with `advance`.
        tasks: arguments, picklable.
        n_steps: sum of what all tasks report.
        description: left of the progress bar.
        n_processes: at least 1; None for one per available core.
        isolated: start a process even for one task, or where one is enough; then not even the
            rounding of the results depends on `n_processes`.
        on_result: called in this process with the place of a task and its result, soon after
            each task ends.

    Raises:
        ChildProcessError: a process was killed, usually because memory ran out.
    """
    if not tasks:
        return []
    n_workers = min(n_processes or n_cores(), len(tasks))
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    hide = not console.is_terminal  # a file would get a line of it at the end
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=hide) as progress:
        bar = progress.add_task(description, total=n_steps)
        if isolated or n_workers > 1:
            return _in_processes(
                function, tasks, n_workers, lambda n: progress.update(bar, completed=n), on_result
            )
        _count_with(lambda n: progress.advance(bar, n))
        results = []
        for place, task in enumerate(tasks):
            results.append(function(task))
            if on_result is not None:
                on_result(place, results[-1])
        return results


def _in_processes(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    n_workers: int,
    show: Callable[[int], None],
    on_result: Callable[[int, Result], None] | None,
) -> list[Result]:
    # Not forked: the threads of Arrow and of the progress bar would not survive it.
    context = multiprocessing.get_context("spawn")
    done = context.Value("q", 0)
    executor = ProcessPoolExecutor(
        n_workers, mp_context=context, initializer=_start_worker, initargs=(done,)
    )
    try:
        with _one_thread_each():  # submitting starts the processes
            futures = [executor.submit(function, task) for task in tasks]
        places = {future: place for place, future in enumerate(futures)}
        running = set(futures)
        while running:
            finished, running = wait(running, timeout=0.2, return_when=FIRST_EXCEPTION)
            show(done.value)
            # What a task raised is raised at once, but after the results of the others.
            for future in sorted(finished, key=lambda each: each.exception() is not None):
                result = future.result()
                if on_result is not None:
                    on_result(places[future], result)
        return [future.result() for future in futures]
    except BrokenProcessPool as error:
        message = "a process was killed, perhaps for lack of memory; use fewer processes"
        raise ChildProcessError(message) from error
    finally:
        executor.shutdown(cancel_futures=True)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name in THREAD_VARIABLES:
            os.environ.pop(name)
        os.environ.update(before)


def _start_worker(done: Synchronized[int]) -> None:
    """Make `advance` of this worker count in shared memory, and the worker end with its parent."""
    end_with_parent()
    # Ctrl-C reaches workers too. As an exception it would end their task, but not them.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    def add(n: int) -> None:
        with done.get_lock():
            done.value += n

    _count_with(add)


def _count_with(count: Callable[[int], None]) -> None:
    global _count
    _count = count
