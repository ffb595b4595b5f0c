"""Studies for the tests of policies that pause."""

import optuna
import pytest

from tests.hpo.search.waiting import trial


@pytest.fixture
def study():
    """Makes a study of trials with these curves; all wait."""

    def make(*curves, direction="minimize"):
        made = optuna.create_study(direction=direction)
        made.add_trials([trial(*curve) for curve in curves])
        return made

    return make
