"""The recorded runs of a D-Wave annealer, scored again from their multipliers.

The folder holds `single20.npz` (10 fits of 20 trainings) and `combination4x20.npz` (10 x 4 fits):
training rows X and y, multipliers `alphas` of seven combinations of solutions, shape (7, 2, 20),
and the R2 that was published.
"""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from benchmarks.reproduce.qsvr.models import predict
from benchmarks.reproduce.qsvr.protocols import PublishedSpace, few_of_pool, swapped_r2
from qsvr.benchmark.curves import LearningCurves
from qsvr.benchmark.models import UNTRAINED, Fit
from qsvr.benchmark.protocols import Floats, Trainings
from qsvr.benchmark.run import DETAILED_FRACTION, Fits
from qsvr.predictor import N_FEW

SINGLE, COMBINED = "QSVR, recorded QPU", "4 QSVR, recorded QPU"
Archive = dict[str, NDArray[np.float64]]

TOLERANCE = 1e-9
CHOSEN_METHOD = 3  # "scores lc softmax": the best of the seven on the test scores, as published
N_MODELS = 4  # of a combination


def read_runs(folder: Path) -> tuple[Archive, Archive]:
    """Return the arrays of both files.

    Raises:
        ValueError: a file is missing, is no NumPy archive, or holds objects.
    """
    return _read(folder / "single20.npz"), _read(folder / "combination4x20.npz")


def single_fits(curves: LearningCurves, runs: Archive) -> tuple[Fits, float]:
    """Return the ten recorded fits.

    Args:
        curves: the table from which the runs were made.
        runs: the arrays of `single20.npz`.

    Returns:
        The predictions of the combination that was published, with the untrained ones on the same
        splits, and the largest difference of any of the 7 x 10 R2 to the stored one.

    Raises:
        ValueError: the runs do not belong to this table, or an R2 differs by more than 1e-9.
    """
    space, stored = _space(curves), runs["r2_published"]
    chosen, untrained, r2 = [], [], np.empty_like(stored)
    for fit in range(stored.shape[1]):
        train, test = space.fold(few_of_pool(curves, int(runs["split_seed"]) + fit))
        _check_rows(train, runs[f"X{fit}"])
        predicted = np.array([predict(train, test, each) for each in runs[f"alphas{fit}"]])
        r2[:, fit] = Fit(test.target, predicted).r2(swapped_r2)
        chosen.append(Fit(test.target, predicted[[CHOSEN_METHOD]]))
        untrained.append(Fit(test.target, test.untrained[None]))
    fits = Fits(DETAILED_FRACTION, N_FEW, {SINGLE: chosen, UNTRAINED: untrained})
    return fits, _largest_difference(r2, stored)


def combined_fits(curves: LearningCurves, runs: Archive) -> tuple[Fits, float]:
    """Return the ten recorded combinations of four fits; arguments as `single_fits`.

    Each fit gives the method that predicts the other 60 training rows best, with that R2
    (arguments swapped, at least 0) as its weight.
    """
    space, stored = _space(curves), runs["r2_published"]
    chosen, untrained = [], []
    for run in range(len(stored)):
        seed = int(runs["split_seed"]) + run
        rows, tests = train_test_split(np.arange(space.n_rows), test_size=0.5, random_state=seed)
        train, test = space.fold((rows[: N_FEW * N_MODELS], tests))
        predicted = _combine(train, test, [runs[f"alphas{run}_{i}"] for i in range(N_MODELS)])
        _check_rows(train, np.concatenate([runs[f"X{run}_{i}"] for i in range(N_MODELS)]))
        chosen.append(Fit(test.target, predicted[None]))
        untrained.append(Fit(test.target, test.untrained[None]))
    fits = Fits(DETAILED_FRACTION, N_FEW * N_MODELS, {COMBINED: chosen, UNTRAINED: untrained})
    r2 = np.concatenate([fit.r2(swapped_r2) for fit in chosen])
    return fits, _largest_difference(r2, stored)


def _combine(train: Trainings, test: Trainings, alphas: list[Floats]) -> Floats:
    predicted, weights = [], []
    for number, methods in enumerate(alphas):
        own = np.arange(N_FEW * number, N_FEW * (number + 1))
        others = train.take(np.setdiff1d(np.arange(N_FEW * N_MODELS), own))
        mine = train.take(own)
        r2 = [swapped_r2(others.target, predict(mine, others, each)) for each in methods]
        predicted.append(predict(mine, test, methods[int(np.argmax(r2))]))
        weights.append(max(0.0, *r2))
    return np.average(predicted, axis=0, weights=weights)


def _space(curves: LearningCurves) -> PublishedSpace:
    return PublishedSpace(curves, curves.n_known(DETAILED_FRACTION))


def _read(path: Path) -> Archive:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise ValueError(f"qpu={path.parent}: no {path.name} there") from None
    except (ValueError, OSError, BadZipFile) as error:
        raise ValueError(f"{path}: not an archive of recorded runs ({error})") from None


def _check_rows(train: Trainings, recorded: Floats) -> None:
    if train.points.shape != recorded.shape or not np.allclose(train.points, recorded, atol=1e-9):
        raise ValueError("qpu: the recorded runs were not made from these curves")


def _largest_difference(r2: Floats, stored: Floats) -> float:
    difference = float(np.abs(r2 - stored).max())
    if not difference <= TOLERANCE:
        raise ValueError(f"qpu: recomputed R2 differ from the stored ones by {difference:.2g}")
    return difference
