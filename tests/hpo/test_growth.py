"""GPUs of a trial by how far it has come."""

import pytest

from hpo.growth import Growth, n_missing, read_growth


def test_the_number_holds_from_a_step_to_the_next_one():
    growth = Growth({9: 4, 0: 1, 3: 2})
    assert [growth.after(step) for step in range(11)] == [1] * 3 + [2] * 6 + [4] * 2
    assert growth.sizes == [1, 2, 4]


def test_a_trial_may_also_shrink():
    growth = Growth({0: 4, 2: 1})
    assert [growth.after(step) for step in range(4)] == [4, 4, 1, 1]
    assert growth.sizes == [1, 4]


def test_one_number_for_all_steps_is_no_growth():
    assert read_growth(4) is None
    assert read_growth({0: 1, 9: 2}) == Growth({0: 1, 9: 2})


@pytest.mark.parametrize("setting", [None, "two", 1.5, {}, {1: 1}, {0: 0}, {0: 1, "9": 2}])
def test_a_setting_that_is_no_growth_is_refused(setting):
    with pytest.raises(ValueError, match="must be a number, or GPUs by steps done such as"):
        read_growth(setting)


@pytest.mark.parametrize(
    ("n_workers", "n_alive", "n_startable", "n_running", "n"),
    [
        (8, 0, 3, 0, 3),
        (8, 3, 3, 3, 3),  # those present have trials
        (8, 3, 3, 1, 1),  # two of them have none yet
        (4, 3, 9, 3, 1),  # no more than there may be
        (2, 3, 9, 3, 0),
        (8, 5, 0, 1, 0),
    ],
)
def test_as_many_workers_are_missing_as_trials_find_none(
    n_workers, n_alive, n_startable, n_running, n
):
    assert n_missing(n_workers, n_alive, n_startable, n_running) == n
