"""How a forked process ends."""

import gzip
import subprocess
import sys

import pytest

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


FILES = """
import gc, gzip, sys
gc.freeze()
path = sys.argv[1]

class Log:
    def __init__(self):
        self.file, self.itself = open(path, "a"), self

log = Log()
log.file.write("kept\\n")
packed = gzip.open(path + ".gz", "wt")
packed.write("packed")
"""


def run(end, code=CODE, *arguments):
    command = [sys.executable, "-c", code + end, *arguments]
    process = subprocess.run(command, stdout=-1, text=True, check=False)
    return process.returncode, process.stdout


def test_threads_functions_at_exit_and_buffers_come_before_the_end():
    assert run("sys.exit(leave_with(3))") == (3, "late\nat exitfinalized\n")


def test_without_it_a_process_ends_as_usual():
    assert run("sys.exit(3)") == (3, "late\nat exitfinalized\ntaken apart\n")


@pytest.mark.parametrize(
    "end",
    [
        "from hpo.launch.quick_exit import leave_with; sys.exit(leave_with(0))",
        "from commons.processes import end_at_once; end_at_once(); del log; packed.close()",
    ],
)
def test_what_was_written_to_a_file_that_nobody_closed_is_there(tmp_path, end):
    path = tmp_path / "a"
    assert run(end, FILES, str(path)) == (0, "")
    assert path.read_text() == "kept\n"
    assert gzip.decompress(path.with_name("a.gz").read_bytes()) == b"packed"
