"""What a job finds in `__main__`, in a process of its own, compared with a plain run."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = """
import multiprocessing, pickle, subprocess, sys, threading

LOCK = threading.Lock()

class Net:
    class Part:
        pass

def square(x):
    return x * x

def cannot_be_sent():
    return LOCK

def work():
    import __main__
    assert sys.modules["__main__"].Net is Net
    print(pickle.dumps([Net(), Net.Part(), Net, square]))
    print(__main__.__file__, sys.argv[0])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(square, [3]))

CHILD = "import cloudpickle, sys; s, f = cloudpickle.load(sys.stdin.buffer); s.adopt(); f()"

if __name__ == "__main__":
    if "plain" in sys.argv:
        work()
    else:
        import cloudpickle
        from hpo.launch.script import Script

        data = cloudpickle.dumps((Script.of_this_process(), work))
        subprocess.run([sys.executable, "-c", CHILD], input=data, check=True)
"""


@pytest.mark.parametrize("start", [["{}"], ["-m", "app"]])
def test_classes_and_functions_of_the_script_are_pickled_as_in_a_plain_run(tmp_path, start):
    (tmp_path / "app.py").write_text(SCRIPT)
    command = [sys.executable, *(word.format(tmp_path / "app.py") for word in start)]

    def output(how):
        return subprocess.run(
            [*command, how],
            cwd=tmp_path,
            env={"PYTHONPATH": f"{ROOT}:{tmp_path}"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout

    plain = output("plain")
    assert output("sent") == plain
    assert plain.endswith("[9]\n")
