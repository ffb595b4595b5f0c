import multiprocessing
import os
import subprocess
import sys

from commons.processes import is_alive, n_cores, this_host


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
