"""One process of a study without Hydra.

python plain.py optuna|optimize FOLDER EPOCH_S N_TRIALS prunes|completes
"""

from __future__ import annotations

import sys
from pathlib import Path

import optuna
from optuna.trial import TrialState

from benchmarks.load.replay.curves import replay


def objective(trial: optuna.Trial, epoch_s: float, log: Path) -> float:
    """Replay the curve of a trial."""
    params = {
        "lr": trial.suggest_float("lr", 1e-4, 3e-2, log=True),
        "width": trial.suggest_categorical("width", [32, 64, 128, 256]),
        "depth": trial.suggest_int("depth", 1, 4),
        "dropout": trial.suggest_float("dropout", 0, 0.5),
        "clip": trial.suggest_float("clip", 0, 0.2),
        "decay": trial.suggest_int("decay", 10, 2000, step=10),
        "normalize": trial.suggest_categorical("normalize", [True, False]),
    }

    def report(loss: float, epoch: int) -> None:
        trial.report(loss, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    return replay(params, epoch_s, log, report)


def _by_optuna(folder: Path, pruner: optuna.pruners.BasePruner) -> optuna.Study:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(str(folder / "study.log")))
    return optuna.create_study(
        study_name="overhead",
        storage=storage,
        sampler=_sampler(),
        pruner=pruner,
        load_if_exists=True,
    )


def _sampler() -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(multivariate=True, constant_liar=True)


def main(tool: str, folder: Path, epoch_s: float, n_trials: int, prunes: bool) -> None:
    """Work on the study with the other processes until it has `n_trials` trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()

    def train(trial: optuna.Trial) -> float:
        return objective(trial, epoch_s, folder / "log")

    if tool == "optuna":
        if prunes:
            pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=4, reduction_factor=3)
        study = _by_optuna(folder, pruner)
        states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        enough = optuna.study.MaxTrialsCallback(n_trials, states)
        study.optimize(train, callbacks=[enough])
        return
    import hpo

    if prunes:
        pruner = hpo.AshaPruner(min_resource=4)
    hpo.optimize(
        train,
        study_name="overhead",
        storage=folder / "study.log",
        n_trials=n_trials,
        sampler=_sampler(),
        pruner=pruner,
        folder=folder,
    )


if __name__ == "__main__":
    tool, folder, epoch_s, n_trials, prunes = sys.argv[1:]
    main(tool, Path(folder), float(epoch_s), int(n_trials), prunes == "prunes")
