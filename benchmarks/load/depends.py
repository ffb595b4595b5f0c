"""The code that the figures of this room are made by, as `benchmarks.record` has it."""

from __future__ import annotations

from typing import Final

JOURNAL: Final = (
    "commons.lock_files",
    "commons.locks",
    "commons.optuna_replay",
    "hpo.storage.batching",
    "hpo.storage.journal",
    "hpo.storage.proxy",
    "hpo.storage.records",
    "hpo.storage.remote",
)
SERVERS: Final = ("benchmarks.load.servers", "hpo.storage.patient", "hpo.storage.postgres_journal")
TRIALS: Final = (
    "commons.changes",
    "hpo.search.bounded",
    "hpo.search.seeded",
    "hpo.study.held",
    "hpo.study.lease",
    "hpo.study.life",
    "hpo.study.portions",
    "hpo.study.tickets",
    "hpo.study.trial",
)
WORKERS: Final = (
    "hpo.optimize",
    "hpo.worker.application",
    "hpo.worker.surroundings",
    "hpo.worker.template",
    "hpo.worker.worker",
)
