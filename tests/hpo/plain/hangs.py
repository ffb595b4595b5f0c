"""Plain Optuna with a training that hangs and ignores exceptions, and has started processes."""

import subprocess
import time
from pathlib import Path

import hpo.study.guard
from hpo.optimize import optimize


def objective(trial):
    child = subprocess.Popen(["sleep", "600"])
    orphan = subprocess.run(
        ["sh", "-c", "sleep 600 >&- 2>&- & echo $!"], capture_output=True, check=True, text=True
    )
    Path("pids").write_text(f"{child.pid} {orphan.stdout}")
    while True:
        try:
            time.sleep(600)
        except BaseException:  # noqa: BLE001 - as badly written as it can be
            continue


if __name__ == "__main__":
    hpo.study.guard.GRACE_S = 0.2
    optimize(objective, study_name="s", storage="s.log", n_trials=2, epoch_timeout=0.5)
