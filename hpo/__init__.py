"""Distributed Optuna for any Hydra application: search space, study, workers, sweeper, report.

An application needs two things: `override hydra/sweeper: optuna_async` in its configuration and,
so that trials can be pruned, a call of `hpo.report_value(value, step)` after each step.
"""

from __future__ import annotations

from commons.exports import lazy

TYPE_CHECKING = False  # as type checkers know it; importing typing takes most of the time
if TYPE_CHECKING:
    from commons.asha import AshaPruner
    from hpo.current import Checkpoint, current_trial, note_figures, report_value
    from hpo.lightning import ReportTrial
    from hpo.notebook import LoadedStudy, load
    from hpo.optimize import optimize
    from hpo.search.bounded import GPSampler, TPESampler
    from hpo.search.diverse import DiverseSampler
    from hpo.search.freeze_thaw import FreezeThawPruner
    from hpo.search.ladder import LadderPruner
    from hpo.search.pausing import PausingPruner
    from hpo.search.pbt import PopulationPruner
    from hpo.search.promotion import PromotionPruner
    from hpo.storage.journal import JournalFile
    from hpo.storage.opening import open_storage

__all__ = [
    "AshaPruner",
    "Checkpoint",
    "DiverseSampler",
    "FreezeThawPruner",
    "GPSampler",
    "JournalFile",
    "LadderPruner",
    "LoadedStudy",
    "PausingPruner",
    "PopulationPruner",
    "PromotionPruner",
    "ReportTrial",
    "TPESampler",
    "current_trial",
    "load",
    "note_figures",
    "open_storage",
    "optimize",
    "report_value",
]

if not TYPE_CHECKING:  # so that type checkers refuse other names
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "AshaPruner": "commons.asha",
            "Checkpoint": "hpo.current",
            "DiverseSampler": "hpo.search.diverse",
            "FreezeThawPruner": "hpo.search.freeze_thaw",
            "GPSampler": "hpo.search.bounded",
            "JournalFile": "hpo.storage.journal",
            "LadderPruner": "hpo.search.ladder",
            "LoadedStudy": "hpo.notebook",
            "PausingPruner": "hpo.search.pausing",
            "PopulationPruner": "hpo.search.pbt",
            "PromotionPruner": "hpo.search.promotion",
            "ReportTrial": "hpo.lightning",
            "TPESampler": "hpo.search.bounded",
            "current_trial": "hpo.current",
            "load": "hpo.notebook",
            "note_figures": "hpo.current",
            "open_storage": "hpo.storage.opening",
            "optimize": "hpo.optimize",
            "report_value": "hpo.current",
        },
    )
