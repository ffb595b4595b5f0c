"""How a forked process ends."""

import subprocess
import sys

CODE = """
from hpo.launch.quick_exit import leave_with
import atexit, sys, threading, time, weakref

class Kept:
    def __del__(self):
        print("taken apart")

def late():
    time.sleep(0.1)
    print("late")

kept = Kept()
weakref.finalize(kept, print, "finalized")
atexit.register(print, "at exit", end="")
threading.Thread(target=late).start()
"""


def run(end):
    process = subprocess.run([sys.executable, "-c", CODE + end], stdout=-1, text=True, check=False)
    return process.returncode, process.stdout


def test_threads_functions_at_exit_and_buffers_come_before_the_end():
    assert run("sys.exit(leave_with(3))") == (3, "late\nat exitfinalized\n")


def test_without_it_a_process_ends_as_usual():
    assert run("sys.exit(3)") == (3, "late\nat exitfinalized\ntaken apart\n")
