import math

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from hpo.attributes import RUN, WORKER, seconds_of
from hpo.reporting.subject import has_diverged, worker_of


def test_a_study_is_read_with_its_names_and_workers(study, subject):
    study.set_user_attr(WORKER + "a/0", {"start": 0, "end": 10, "busy_s": 9})
    study.set_user_attr(WORKER + "a/1", "broken")
    read = subject(study)
    assert (read.name, read.metric, read.sign) == ("s", "value", 1)
    assert [*read.workers] == ["a/0"]
    assert read.best.number == 1


def test_trials_are_sorted_from_the_worst_to_the_best(study, subject, add):
    add(study, TrialState.PRUNED, [math.nan])
    assert [t.number for t in subject(study).begun] == [6, 4, 2, 3, 0, 1]


def test_several_objectives_are_read_by_the_first_one_where_none_is_stored(subject):
    study = optuna.create_study(directions=["maximize", "minimize"])
    for values in ([1.0, 5.0], [2.0, 7.0]):
        study.add_trial(create_trial(values=values))
    read = subject(study)
    assert [read.last_value(trial) for trial in read.trials] == [1.0, 2.0]
    assert (read.metric, read.sign) == ("value_0", -1)
    from hpo.reporting.summary import numbered

    assert numbered(2) == ["value_0", "value_1"]


@pytest.mark.parametrize("run", [None, "text", {}, {"overrides": [], "worker": 7}])
def test_a_worker_that_is_not_known_has_no_name(run):
    trial = create_trial(state=TrialState.FAIL, user_attrs={} if run is None else {RUN: run})
    assert worker_of(trial) == ""


def test_a_trial_that_diverged_is_told_apart(study):
    assert [has_diverged(trial) for trial in study.trials] == [False] * 4 + [True, False]
    assert seconds_of(study.trials[0]) == 10.0
