import os
import signal
import socket
import subprocess
import sys

import pytest

from testbed.processes import (
    free_ports,
    processes_with,
    program_of,
    run_to_end,
    send,
    wait_until,
)


def test_processes_are_found_by_their_environment_even_when_detached(wait_until):
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()'], stdin=0)"
    mark = f"testbed-{os.getpid()}"
    with subprocess.Popen(
        [sys.executable, "-c", f"{code}.wait()"],
        env={**os.environ, "TESTBED_MARK": mark},
        stdin=subprocess.PIPE,
    ) as parent:
        wait_until(lambda: len(processes_with(TESTBED_MARK=mark)) == 2)
        assert parent.pid in processes_with(TESTBED_MARK=None)
        assert processes_with(TESTBED_MARK="other") == []
        send(signal.SIGKILL, [*processes_with(TESTBED_MARK=mark), 2**22 + 1])
    wait_until(lambda: not processes_with(TESTBED_MARK=mark))


def test_the_program_of_a_process_is_its_file():
    with subprocess.Popen(["sleep", "60"]) as process:
        wait_until(lambda: program_of(process.pid) not in ("", program_of(os.getpid())), 10)
        assert program_of(process.pid) in ("sleep", "coreutils", "busybox")
        process.kill()
    assert program_of(process.pid) == ""


def test_waiting_ends_with_the_condition_or_the_time():
    assert wait_until(lambda: True, 0)
    assert not wait_until(lambda: False, 0.1)


def test_free_ports_are_distinct_and_can_be_bound():
    ports = free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_a_command_runs_to_its_end_and_leaves_what_it_printed(tmp_path):
    command = ["sh", "-c", "echo in $PWD; echo $WORD >&2; exit 3"]
    assert run_to_end(command, tmp_path, {**os.environ, "WORD": "out"}, 60.0) == 3
    assert (tmp_path / "output").read_text() == f"in {tmp_path}\nout\n"


def test_a_command_that_is_not_over_in_time_ends_with_all_that_it_started(tmp_path):
    mark = f"testbed-limit-{os.getpid()}"
    environment = {**os.environ, "TESTBED_MARK": mark}
    with pytest.raises(subprocess.TimeoutExpired):
        run_to_end(["sh", "-c", "sleep 60 & sleep 60"], tmp_path, environment, 0.5)
    assert wait_until(lambda: not processes_with(TESTBED_MARK=mark), 10.0)
