import pytest
from optuna.trial import TrialState, create_trial

from hpo.attributes import PARENT
from hpo.search.lineage import Origin, curve, lineage, parent_of


def member(number, *values, first=1, parent=None):
    attributes = (
        {} if parent is None else {PARENT: dict(zip(("trial", "step"), parent, strict=True))}
    )
    trial = create_trial(
        state=TrialState.WAITING,
        value=None,
        system_attrs=attributes,
        intermediate_values=dict(enumerate(values, first)),
    )
    trial.number = number
    return trial


def study(*trials):
    return {trial.number: trial for trial in trials}


def stages(trial, trials):
    return [(s.trial.number, s.first, s.last) for s in lineage(trial, trials)]


def test_the_stages_of_a_lineage_follow_each_other_without_a_gap():
    trials = study(
        member(0, *[9.0] * 6),
        member(1, *[8.0] * 4, first=5, parent=(0, 4)),
        member(2, 7.0, first=8, parent=(1, 7)),
    )
    assert stages(trials[2], trials) == [(0, 1, 4), (1, 5, 7), (2, 8, 8)]
    assert curve(trials[2], trials) == dict.fromkeys(range(1, 5), 9.0) | {5: 8, 6: 8, 7: 8, 8: 7}


def test_the_own_reports_of_a_child_say_which_checkpoint_it_has_found():
    trials = study(member(0, *[9.0] * 6), member(1, 1.0, 1.0, first=4, parent=(0, 4)))
    assert stages(trials[1], trials) == [(0, 1, 3), (1, 4, 5)]


def test_a_child_without_a_report_stands_where_its_parent_stood():
    trials = study(member(0, 3.0, 2.0, 1.0), member(1, parent=(0, 2)))
    assert curve(trials[1], trials) == {1: 3.0, 2: 2.0}
    assert stages(trials[1], trials) == [(0, 1, 2)]


def test_a_parent_that_never_trained_itself_is_left_out():
    trials = study(
        member(0, 3.0, 2.0), member(1, 9.0, first=5, parent=(0, 2)), member(2, parent=(1, 2))
    )
    assert stages(trials[2], trials) == [(0, 1, 2)]


def test_a_circle_and_a_lost_parent_end_a_lineage():
    circle = study(member(0, 1.0, parent=(1, 1)), member(1, 1.0, first=2, parent=(0, 1)))
    assert stages(circle[1], circle) == [(0, 1, 1), (1, 2, 2)]
    lost = study(member(1, 1.0, first=2, parent=(7, 1)))
    assert stages(lost[1], lost) == [(1, 2, 2)]


def test_nan_is_no_value():
    trials = study(member(0, 1.0, float("nan"), 3.0))
    assert curve(trials[0], trials) == {1: 1.0, 3: 3.0}


def test_what_is_stored_is_what_is_read():
    child = member(1)
    assert parent_of(child) is None
    record = Origin(4, 7, {"x": 1}).record
    assert parent_of(member(1, parent=(record["trial"], record["step"]))) == (4, 7)


@pytest.mark.parametrize("record", [{"trial": "0", "step": 1}, [0, 1], {"trial": 0}])
def test_a_record_of_the_wrong_type_counts_as_none(record):
    trial = create_trial(state=TrialState.WAITING, value=None, system_attrs={PARENT: record})
    assert parent_of(trial) is None
