"""Plain Optuna, shared by any number of processes: `python study.py N_TRIALS EPOCH_S`."""

import sys
import time
from pathlib import Path

import optuna

from hpo.optimize import optimize


def objective(trial):
    x = trial.suggest_float("x", -1, 1)
    checkpoint = Path(f"checkpoint-{trial.number}")
    first = int(checkpoint.read_text()) if checkpoint.exists() else 0
    for epoch in range(first, 9):
        time.sleep(float(sys.argv[2]))
        with Path(f"epochs-{trial.number}").open("a") as log:
            log.write(f"{epoch}\n")
        checkpoint.write_text(str(epoch + 1))
        trial.report(x**2 + 1 / (epoch + 1), epoch + 1)
        if trial.should_prune():
            raise optuna.TrialPruned
    return x**2


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    optimize(objective, study_name="plain", storage="study.log", n_trials=int(sys.argv[1]))
