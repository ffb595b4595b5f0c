"""Distributed Optuna for any Hydra application: search space, study, workers, sweeper, report."""
