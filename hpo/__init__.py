"""Distributed Optuna for any Hydra application: search space, study, workers, sweeper, report.

An application needs two things: `override hydra/sweeper: optuna_async` in its configuration, and,
to be pruned, a call of `hpo.report_value(value, step)` as often as it knows better.
"""

from hpo.current import current_trial, report_value

__all__ = ["current_trial", "report_value"]
