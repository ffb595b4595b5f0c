"""A study whose figures are known by hand."""

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial


def add_trial(study, state, values, seconds=10.0, **attributes):
    """A trial with one reported value per epoch; it is worth the last of them."""
    worth = state in (TrialState.COMPLETE, TrialState.PRUNED) and values
    study.add_trial(
        create_trial(
            state=state,
            value=values[-1] if worth else None,
            params={"x": 0.5},
            distributions={"x": FloatDistribution(0, 1)},
            intermediate_values=dict(enumerate(values, 1)),
            user_attrs={"seconds": seconds, **attributes},
        )
    )


@pytest.fixture
def add():
    return add_trial


@pytest.fixture
def study():
    """Two full trials of 4 epochs, three pruned after 1, 3 and (diverged) 2, a failed one."""
    study = optuna.create_study(study_name="s")
    add_trial(study, TrialState.COMPLETE, [4, 3, 2, 1.5])
    add_trial(study, TrialState.COMPLETE, [4, 3, 2, 1.0])
    add_trial(study, TrialState.PRUNED, [9.0])
    add_trial(study, TrialState.PRUNED, [9.0, 8.0, 7.0])
    add_trial(study, TrialState.PRUNED, [900.0], diverged=2)
    add_trial(study, TrialState.FAIL, [])
    return study
