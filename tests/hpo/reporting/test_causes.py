"""A study without a result says how its trials ended."""

import pytest
from optuna.trial import TrialState, create_trial

from hpo.reporting.causes import cause_of, was_forecast, why_none_is_complete
from qsvr.pruners import FORECAST


def pruned(*steps, **attributes):
    values = dict.fromkeys(steps, 1.0)
    return create_trial(state=TrialState.PRUNED, intermediate_values=values, user_attrs=attributes)


def failed(reason):
    return create_trial(state=TrialState.FAIL, user_attrs={"fail_reason": reason})


@pytest.mark.parametrize(
    ("trials", "told"),
    [
        ([pruned(1, diverged=2)] * 5 + [pruned(1)], "5 diverged, 1 pruned at step 1"),
        ([failed("RuntimeError: no\nluck")] * 2, "2 failed: RuntimeError: no luck"),
        ([failed("\x1b[2J[/b]")], "1 failed: \\x1b[2J[/b]"),
        ([pruned(skipped={"predicted": 1.0})], "1 pruned before a step"),  # of an old version
        ([pruned(), pruned(diverged="end")], "1 pruned before a step, 1 diverged"),
        ([failed(str(n)) for n in range(8)], "1 failed: 4, 3 for other reasons"),
        ([], "there is none"),
    ],
)
def test_the_causes_are_counted(trials, told):
    assert why_none_is_complete(trials).startswith("no trial is complete: ")
    assert why_none_is_complete(trials).endswith(told)


def test_a_forecast_that_has_stopped_a_trial_is_told():
    stopped = pruned(5)
    stopped.system_attrs = {FORECAST: {"epoch": 5, "probability": 0.01}}
    assert cause_of(stopped) == "pruned at step 5 by a forecast"
    assert [was_forecast(trial) for trial in (stopped, pruned(5))] == [True, False]


def test_a_complete_trial_is_a_result():
    complete = create_trial(state=TrialState.COMPLETE, value=1.0)
    assert why_none_is_complete([failed("x"), complete]) is None
