"""Equal trainings with several seeds: their curves, what they reach, and the picture of both.

The errors of physics are those of `mlpf.evaluate` on test events, which neither the trainings nor
a search has seen; smaller is better for each.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray

from commons.files import write_json
from commons.picture_labels import label_ends
from commons.picture_style import GRAY, Picture, whole_numbers
from commons.pools import run_tasks
from hpo.reporting.style import BEST
from mlpf.config import config_dir
from mlpf.evaluation.evaluate import evaluate
from mlpf.evaluation.inputs import event_files, networks
from mlpf.evaluation.stream import Settings
from mlpf.training.callbacks import read_history

Array = NDArray[np.float64]

DEFAULT: Final = "default"
FOUND: Final = "found"
COLORS: Final = {DEFAULT: GRAY, FOUND: BEST}
LOSS: Final = "validation loss"
_EVALUATION: Final = "evaluation/evaluation.json"
# Heading: figure and selection in evaluation.json, and whether the error is 1 - figure.
ERRORS: Final = {
    "towers of wrong class": ("tower_accuracy", "towers", True),
    "MET error (GeV)": ("met_rms", "all", False),
    "jet width (IQR / median)": ("jet_response_iqr", "eta<2.5", False),
    "jets not found, as many jets as rules": ("jet_efficiency_equal_number", "eta<2.5", True),
}


def curves(runs: Sequence[Path]) -> Array:
    """Return the validation losses of trainings, of shape (trainings, epochs).

    Raises:
        ValueError: they have different numbers of epochs.
    """
    rows = [[row["val_loss"] for row in read_history(run / "metrics.csv")] for run in runs]
    return np.array(rows)


def fall(losses: Array) -> float:
    """Return by which part the mean of the best losses up to an epoch falls in the last quarter.

    It tells whether the trainings were long enough: 0 means that the curve is flat.

    Args:
        losses: of shape (trainings, epochs), at least 4 epochs.
    """
    best = np.minimum.accumulate(losses, axis=1).mean(axis=0)
    last_quarter = len(best) - math.ceil(len(best) / 4)
    return float(1 - best[-1] / best[last_quarter - 1])


def evaluate_runs(runs: Sequence[Path], n_events: int) -> None:
    """Measure the networks that have not been measured, as `mlpf.evaluate` does.

    Its pictures and the errors by bootstrap are left out: they take most of its time.

    Args:
        runs: folders of the trainings, which receive `evaluation/evaluation.json`.
        n_events: test events of each.
    """
    missing = [run for run in runs if not (run / _EVALUATION).is_file()]
    run_tasks(_evaluate, missing, n_steps=n_events * len(missing), description="test events")


def _evaluate(run: Path) -> None:
    with initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = compose("evaluate", [f"run={run}", "out=."])
    settings = Settings(n_draws=0, speed="none")
    found = evaluate(networks(str(run), None), event_files(cfg), settings)
    write_json(run / _EVALUATION, found.content)


def errors(evaluation: Path) -> dict[str, dict[str, float]]:
    """Return each of `ERRORS` in an `evaluation.json`, of the rules and of the network.

    A figure that could not be measured, such as jets without fastjet, is absent.
    """
    rows = json.loads(evaluation.read_text())["rows"]
    known = {(r["name"], r["selection"], r["column"]): r["value"] for r in rows}
    found: dict[str, dict[str, float]] = {}
    for heading, (name, selection, is_share) in ERRORS.items():
        for column in ("rules", "mlpf"):
            value = known.get((name, selection, column))
            if value is not None:
                found.setdefault(heading, {})[column] = 1 - value if is_share else value
    return found


def statistics(values: Sequence[float]) -> dict[str, Any]:
    """Return values with their mean and standard deviation (n - 1)."""
    array = np.array(values)
    return {"mean": float(array.mean()), "std": float(array.std(ddof=1)), "each": array.tolist()}


def gain(default: Sequence[float], found: Sequence[float]) -> dict[str, Any]:
    """Return the statistics of both and the relative decrease of the mean, with its error.

    The error is the standard error of the two means, as of independent trainings.
    """
    before, after = statistics(default), statistics(found)
    ratio = after["mean"] / before["mean"]
    squares = [s["std"] ** 2 / len(s["each"]) / s["mean"] ** 2 for s in (before, after)]
    decrease = {"relative_decrease": 1 - ratio, "error": ratio * math.sqrt(sum(squares))}
    return {DEFAULT: before, FOUND: after, **decrease}


def gains(runs: Mapping[str, Sequence[Path]]) -> dict[str, dict[str, Any]]:
    """Return the gain in validation loss and in each error of physics, see `gain`.

    Args:
        runs: folders of the trainings with `DEFAULT` and with `FOUND` hyperparameters; each has
            its `evaluation/evaluation.json`.
    """
    minima = {name: curves(folders).min(axis=1).tolist() for name, folders in runs.items()}
    result = {LOSS: gain(minima[DEFAULT], minima[FOUND])}
    measured = {
        name: [errors(folder / _EVALUATION) for folder in folders]
        for name, folders in runs.items()
    }
    for heading in measured[DEFAULT][0]:
        values = {name: [each[heading]["mlpf"] for each in measured[name]] for name in runs}
        rules = measured[DEFAULT][0][heading].get("rules")
        result[heading] = {"rules": rules, **gain(values[DEFAULT], values[FOUND])}
    return result


def draw_bands(losses: Mapping[str, Array], title: str, path: Path) -> None:
    """Draw mean and standard deviation per epoch of the trainings, and each of them thinly.

    Args:
        losses: of shape (trainings, epochs) each, by `DEFAULT` and `FOUND`.
        title: of the picture.
        path: of the PNG file.
    """
    picture = Picture(title, label_room=0.8)
    (panel,) = picture.panels
    for name, values in losses.items():
        epochs, mean = np.arange(1, values.shape[1] + 1), values.mean(axis=0)
        std, color = values.std(axis=0, ddof=1), COLORS[name]
        panel.plot(epochs, values.T, color=color, linewidth=0.5, alpha=0.6)
        panel.fill_between(epochs, mean - std, mean + std, color=color, alpha=0.35, linewidth=0)
        panel.plot(epochs, mean, color=color, linewidth=2, label=name)
    later = np.concatenate(
        [values[:, values.shape[1] // 8 :].ravel() for values in losses.values()]
    )
    margin = 0.05 * float(np.ptp(later))  # the first epochs may lie above the axis
    panel.set_ylim(later.min() - margin, later.max() + margin)
    panel.set(xlabel="epoch", ylabel=LOSS)
    whole_numbers(panel.xaxis)
    numbers = " and ".join(f"{len(values)}" for values in losses.values())
    what = f"thick: mean of {numbers} trainings; band: ± standard deviation"
    panel.set_title(what, loc="left", fontsize=9)
    label_ends(panel)
    picture.save(path)
