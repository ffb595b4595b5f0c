import optuna
import pytest
from optuna.trial import TrialState, create_trial

from qsvr.steps import complaint


def trial(*steps, state=TrialState.RUNNING):
    values = dict.fromkeys(steps, 1.0)
    value = 1.0 if state == TrialState.COMPLETE else None
    made = create_trial(state=state, value=value, intermediate_values=values)
    made.number = 7
    return made


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((0, 1, 2), "trial 7 reports step 0: steps must begin at 1"),
        ((1, 2, 5, 4), "trial 7 reports steps that decrease: [5, 4]"),
        ((1, 50, 1050), "trial 7 reports step 1050 beyond max_resource=40: both must have the"),
        ((1, 2, 3), None),
        ((5, 10, 40), None),
    ],
)
def test_steps_that_do_not_fit_are_told(steps, message):
    told = complaint(trial(*steps), [], 40)
    assert told is None if message is None else told.startswith(message)


@pytest.mark.parametrize(("last", "is_told"), [(12, True), (30, False), (40, False)])
def test_a_full_training_far_shorter_than_max_resource_is_told(last, is_told):
    complete = trial(*range(1, last + 1), state=TrialState.COMPLETE)
    told = complaint(trial(1), [complete], 40)
    assert (told is not None) == is_told
    if told:
        assert told.startswith("max_resource=40, but the longest complete trial has 12 steps")


def test_the_order_of_reports_is_seen_in_a_study():
    study = optuna.create_study()
    running = study.ask()
    for step in (1, 3, 2):
        running.report(0.5, step)
    assert "decrease: [3, 2]" in complaint(study.trials[0], [], 40)
