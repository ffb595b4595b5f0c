"""scikit-learn with early stopping: an epoch is a call of partial_fit.

python search.py [n_trials]

Start it in several terminals; they share the study in the folder `search`.
"""

import sys

import numpy as np
import optuna
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

import hpo

EPOCHS = 9
N_TRIALS = 12


def objective(trial: optuna.Trial) -> float:
    """Return the accuracy on digits that were not trained on."""
    model = SGDClassifier(
        alpha=trial.suggest_float("alpha", 1e-7, 1.0, log=True),
        penalty=trial.suggest_categorical("penalty", ["l2", "l1", "elasticnet"]),
        learning_rate="constant",
        eta0=trial.suggest_float("eta0", 1e-5, 1.0, log=True),
        random_state=1,
    )
    x, y = load_digits(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(x / 16, y, random_state=1)
    accuracy = 0.0
    for epoch in range(1, EPOCHS + 1):  # too short for checkpoints: a lost trial begins anew
        model.partial_fit(x_train, y_train, classes=np.arange(10))
        accuracy = float(model.score(x_val, y_val))
        trial.report(accuracy, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return accuracy


def main() -> None:
    """Work on the study until it is finished."""
    study = hpo.optimize(
        objective,
        study_name="digits",
        storage="search/journal.log",
        folder="search",
        n_trials=int(sys.argv[1]) if len(sys.argv) > 1 else N_TRIALS,
        direction="maximize",
        pruner=hpo.AshaPruner(),
    )
    print(f"best accuracy {study.best_value:.4f} with {study.best_params}")


if __name__ == "__main__":
    main()
