"""GPUs of a trial by how far it has come."""

from hpo.growth import Growth


def test_the_number_holds_from_a_step_to_the_next_one():
    growth = Growth({9: 4, 0: 1, 3: 2})
    assert [growth.after(step) for step in range(11)] == [1] * 3 + [2] * 6 + [4] * 2
    assert growth.sizes == [1, 2, 4]


def test_a_trial_may_also_shrink():
    growth = Growth({0: 4, 2: 1})
    assert [growth.after(step) for step in range(4)] == [4, 4, 1, 1]
    assert growth.sizes == [1, 4]
