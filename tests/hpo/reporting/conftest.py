"""A study whose figures are known by hand, what reads it, and what it draws."""

import optuna
import pytest
from matplotlib.figure import Figure
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from hpo.attributes import PARENT, RETRIES
from hpo.reporting.subject import read_subject


def add_trial(study, state, values, seconds=10.0, retries=0, first=1, parent=None, **attributes):
    """A trial with one reported value per epoch from `first` on; it is worth the last of them.

    The parent of population based training is its number and the last step that it had reported.
    """
    worth = state in (TrialState.COMPLETE, TrialState.PRUNED) and values
    study.add_trial(
        create_trial(
            state=state,
            value=values[-1] if worth else None,
            params={"x": 0.5},
            distributions={"x": FloatDistribution(0, 1)},
            intermediate_values=dict(enumerate(values, first)),
            system_attrs=({RETRIES: retries} if retries else {})
            | ({PARENT: {"trial": parent[0], "step": parent[1]}} if parent else {}),
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


@pytest.fixture
def lineage():
    """Population based training of 8 epochs: a pruned trial, two children of the other one.

    The first child found a checkpoint one step older than the last report of its parent and was
    pruned, the second one is complete; a last trial was not needed.
    """
    study = optuna.create_study(study_name="lineage")
    add_trial(study, TrialState.COMPLETE, [1.0] * 8, seconds=80)
    add_trial(study, TrialState.PRUNED, [9.0] * 2, seconds=20)
    add_trial(study, TrialState.PRUNED, [8.0] * 2, seconds=20, first=2, parent=(0, 2))
    add_trial(study, TrialState.COMPLETE, [2.0] * 5, seconds=50, first=4, parent=(0, 3))
    add_trial(study, TrialState.PRUNED, [], seconds=0)
    return study


def read(study):
    return read_subject(study._storage, study._study_id)


@pytest.fixture
def subject():
    """Reads a study for the report."""
    return read


@pytest.fixture
def axes(monkeypatch):
    """The first panel of each picture that is drawn, in order."""
    drawn, save = [], Figure.savefig

    def keep(figure, *args, **kwargs):
        drawn.append(figure.axes[0])
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", keep)
    return drawn
