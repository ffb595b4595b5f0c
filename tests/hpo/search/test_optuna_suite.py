"""Optuna's tests of a sampler, on ours."""

from functools import partial

import pytest
from optuna.samplers import RandomSampler, TPESampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)

from hpo.search.diverse import DiverseSampler


class TestDiverseTpe(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self):
        joint = partial(TPESampler, multivariate=True, n_startup_trials=0)
        return lambda: DiverseSampler(joint)


class TestDiverseRandom(BasicSamplerTestCase):
    @pytest.fixture
    def sampler(self):
        return lambda: DiverseSampler(RandomSampler)
