"""Trials that wait, for the tests of policies that pause."""

from optuna.trial import TrialState, create_trial


def trial(*values, first_step=1, state=TrialState.WAITING):
    reported = dict(enumerate(values, first_step))
    return create_trial(state=state, value=None, intermediate_values=reported)
