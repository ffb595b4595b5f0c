import gc
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

from commons.processes import (
    born,
    descendants,
    is_alive,
    is_stopped,
    kill,
    n_cores,
    this_host,
    uncollected,
)


def test_cores_are_those_that_this_process_may_use():
    code = (
        "import os; from commons.processes import n_cores;"
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); print(n_cores())"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert shown.stdout == b"1\n"
    assert 1 <= n_cores() <= (os.cpu_count() or 1)


def test_a_running_process_lives_and_one_that_has_ended_does_not():
    with subprocess.Popen(["sleep", "60"]) as process:
        assert is_alive(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(process.pid)  # dead, and not yet waited for
    assert not is_alive(process.pid)


def test_numbers_that_no_process_has_are_dead():
    assert not is_alive(2**40)


def test_a_host_has_the_same_name_in_all_its_processes():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(this_host) == this_host()


def test_a_process_number_that_is_used_again_is_another_process():
    assert is_alive(os.getpid(), born(os.getpid()))
    assert not is_alive(os.getpid(), born(os.getpid()) - 1)
    assert born(2**40) is None


def test_a_stopped_process_is_known(wait_until):
    with subprocess.Popen(["sleep", "60"]) as process:
        assert not is_stopped(process.pid)
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: is_stopped(process.pid))
        assert is_alive(process.pid)
        process.kill()
    assert not is_stopped(process.pid)


def test_machines_with_equal_names_and_namespaces_are_told_apart_by_their_boot():
    boot = Path("/proc/sys/kernel/random/boot_id")
    assert not boot.exists() or boot.read_text().strip() in this_host()


def test_descendants_are_found_over_generations(wait_until):
    with subprocess.Popen(["sh", "-c", "sleep 60 & wait"]) as shell:
        wait_until(lambda: len(descendants(shell.pid)) == 1)
        (sleep,) = descendants(shell.pid)
        assert {shell.pid, sleep} <= set(descendants())
        kill([sleep, shell.pid])
    kill([sleep, shell.pid, 2**30])
    wait_until(lambda: not is_alive(sleep))


def test_nothing_is_collected_meanwhile_and_afterwards_as_before():
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    with uncollected():
        pass
    assert not gc.isenabled()
    gc.enable()


def test_a_process_that_ends_at_once_calls_what_others_have_registered_before():
    code = (
        "import atexit, gc; from commons.processes import end_at_once\n"
        "frozen = gc.get_freeze_count()\n"  # Python 3.12 begins with some objects frozen
        "atexit.register(lambda: print(gc.get_freeze_count() > frozen))\n"
        "end_at_once(); end_at_once(); print(gc.get_freeze_count() > frozen)"
    )
    run = subprocess.run([sys.executable, "-c", code], stdout=-1, text=True, check=True)
    assert run.stdout == "False\nTrue\n"
