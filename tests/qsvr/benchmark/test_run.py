from dataclasses import replace

import numpy as np
import pytest

from qsvr.benchmark.models import CLASSICAL, SIMULATED, UNTRAINED
from qsvr.benchmark.protocols import TrainingSpace, grouped_few, grouped_most
from qsvr.benchmark.run import (
    FRACTIONS,
    LIVE_PART,
    Job,
    Part,
    distinct_fractions,
    live_jobs,
    plan,
    run,
)

FEW = Part(TrainingSpace, grouped_few, (CLASSICAL,))
TWICE = Part(TrainingSpace, grouped_most, (CLASSICAL,), n_splits=2)


def test_each_part_has_its_number_of_splits_at_each_fraction():
    jobs = plan((FEW, TWICE), FRACTIONS, 12, 100)
    for part, last in ((FEW, 112), (TWICE, 124)):
        for fraction in FRACTIONS:
            mine = [job.seeds for job in jobs if (job.part, job.fraction) == (part, fraction)]
            assert [seed for seeds in mine for seed in seeds] == list(range(100, last))
            assert max(map(len, mine)) == 10


@pytest.mark.parametrize(
    ("n_epochs", "fractions"),
    [
        (100, [0.5, 0.25, 0.1, 0.05, 0.02]),
        (12, [0.5, 0.25, 0.1]),  # 10, 5 and 2 % of it are one epoch
        (2, [0.25]),
    ],
)
def test_a_number_of_known_epochs_is_asked_for_once(table, n_epochs, fractions):
    short = replace(table, curves=np.ones((len(table.curves), n_epochs)))
    assert distinct_fractions(short) == fractions


def test_a_real_annealer_is_asked_only_with_a_token(monkeypatch):
    assert live_jobs(LIVE_PART, 5) == []
    monkeypatch.setenv("DWAVE_API_TOKEN", "secret")
    assert live_jobs(LIVE_PART, 5) == [Job(LIVE_PART, 0.25, tuple(range(5, 15)))]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_fits_come_in_order_of_the_splits_for_any_number_of_processes(table, n_jobs):
    jobs = [Job(FEW, 0.5, (3, 4)), Job(FEW, 0.5, (5,)), Job(TWICE, 0.25, (3,))]
    (few, fits), (most, others) = run(table, jobs, n_jobs)
    assert (few, most) == (FEW, TWICE)
    assert (fits.fraction, fits.n_train, others.fraction) == (0.5, 20, 0.25)
    assert others.n_train == len(grouped_most(table, 3)[0])
    assert list(fits.by_model) == [UNTRAINED, "SVR"]
    sizes = [len(grouped_few(table, seed)[1]) for seed in (3, 4, 5)]
    assert [len(fit.target) for fit in fits.by_model["SVR"]] == sizes


def test_models_to_compare_with_are_fitted_too(table):
    part = Part(TrainingSpace, grouped_few, (SIMULATED,), paired=(CLASSICAL,))
    ((_, fits),) = run(table, [Job(part, 0.5, (3,))], 1)
    assert list(fits.by_model) == [UNTRAINED, "Sim-QSVR", "SVR"]
