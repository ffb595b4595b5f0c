import os
import signal
import socket
import subprocess
import sys

from testbed.processes import free_ports, processes_with, program_of, send, wait_until


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
