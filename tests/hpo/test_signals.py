import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from hpo import signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2])
def test_each_way_to_stop_a_command_is_an_interruption(number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), signals.interrupt():
        os.kill(os.getpid(), number)
    assert signals.received() == number
    assert signal.getsignal(number) == before


def test_a_second_signal_does_not_disturb_the_cleaning_up():
    cleaned = []

    def work():
        with signals.interrupt(once=True):
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                cleaned.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert cleaned == [True]


class _Signalled:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGUSR2)
        time.sleep(0.001)


def test_an_interruption_that_a_destructor_swallows_comes_again():
    def work():
        with signals.interrupt(once=True):
            del_me = [_Signalled()]
            del_me.clear()
            time.sleep(10)

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work()
    assert time.monotonic() - begin < 5
    assert signals.received() == signal.SIGUSR2


def test_a_hang_up_that_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.interrupt():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_operation_on_the_storage_is_finished_before_the_interruption():
    done = []

    def work():
        with signals.interrupt():
            with signals.shield():
                with signals.shield():
                    os.kill(os.getpid(), signal.SIGUSR2)
                    done.append("inner")
                done.append("outer")
            done.append("not reached")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["inner", "outer"]


def test_waiting_inside_an_operation_can_let_the_interruption_through():
    def work():
        with signals.interrupt(), signals.shield():
            os.kill(os.getpid(), signal.SIGTERM)
            signals.raise_pending()
            pytest.fail("the interruption was lost")

    with pytest.raises(KeyboardInterrupt):
        work()
    signals.raise_pending()  # it comes once


CHILD = """
import sys, time
from hpo import signals
print("imports", flush=True)
sys.stdin.read()
try:
    with signals.interrupt():
        signals.ready()
        time.sleep(60)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("inherited", [signal.default_int_handler, signal.SIG_IGN])
def test_a_process_heeds_an_interruption_that_came_while_it_was_starting(inherited):
    """Also where its command ignores SIGINT, as in the background of a script."""
    before = signal.signal(signal.SIGINT, inherited)
    try:
        with signals.handed_over():
            process = subprocess.Popen(
                [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.communicate()[0] == b"interrupted\n"
    finally:
        signal.signal(signal.SIGINT, before)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


class _Limited(BaseException):
    pass


def test_a_limit_is_what_the_innermost_block_says_and_late_ones_do_nothing():
    reached = []
    with signals.limited(lambda: reached.append("outer")):
        with pytest.raises(_Limited), signals.limited(_Limited):
            os.kill(os.getpid(), signals.LIMIT)
        os.kill(os.getpid(), signals.LIMIT)
    os.kill(os.getpid(), signals.LIMIT)
    assert reached == ["outer"]


def test_a_shield_holds_a_limit_back_and_it_does_not_outlive_its_block():
    done = []
    with pytest.raises(_Limited), signals.limited(_Limited):  # noqa: PT012 - the order is tested
        with signals.shield():
            os.kill(os.getpid(), signals.LIMIT)
            done.append("written")
        done.append("not reached")
    with signals.shield():
        with signals.limited(_Limited):
            os.kill(os.getpid(), signals.LIMIT)
        done.append("ended")
    assert done == ["written", "ended"]


def test_another_thread_cannot_be_interrupted_by_a_limit():
    answers = []

    def ask():
        with signals.limited(_Limited) as can_be:
            answers.append(can_be)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert answers == [False]
