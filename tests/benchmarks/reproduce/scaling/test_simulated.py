import pytest

from benchmarks.reproduce.scaling.problem import Study
from benchmarks.reproduce.scaling.simulated import SYNCHRONOUS, Task, rungs, simulate, synchronous

STUDY = Study(54, 9, 2.0, 0.5)


def test_one_in_three_goes_on_at_each_rung():
    assert rungs(STUDY) == [(54, 1), (18, 2), (6, 6)]
    assert rungs(Study(2, 10, 1.0, 0.5)) == [(2, 1), (1, 2), (1, 6), (1, 1)]


def test_a_rung_with_more_trials_than_workers_loads_those_that_go_on():
    few = synchronous(STUDY, 1)  # four workers
    assert few.n_loaded == pytest.approx(18 * (1 - 4 / 54) + 6 * (1 - 4 / 18))
    rounds_s = 2.0 * (14 * 1 + 5 * 2 + 2 * 6)
    assert few.wall_s == pytest.approx(rounds_s + few.n_loaded / 4 * 1.0)
    many = synchronous(STUDY, 14)  # a worker for each trial
    assert (many.n_loaded, many.wall_s) == (0, 2.0 * 9)


def test_the_speed_up_is_superlinear_where_loading_is_expensive():
    def speed_up(load_epochs):
        study = Study(54, 9, 2.0, load_epochs)
        return synchronous(study, 1).wall_s / synchronous(study, 3).wall_s

    assert speed_up(0.0) <= 3
    assert speed_up(50.0) > 3


@pytest.mark.parametrize("policy", ["promotion", "asha"])
def test_our_policies_load_few_models_on_any_number_of_nodes(policy):
    few, many = (simulate(Task(policy, nodes, STUDY, 0)) for nodes in (1, 4))
    assert max(few.n_loaded, many.n_loaded) < synchronous(STUDY, 1).n_loaded / 3
    assert 1 < few.wall_s / many.wall_s <= 4
    assert few.n_epochs < STUDY.n_trials * STUDY.epochs / 2
    if policy == "asha":
        assert many.n_loaded == 0


def test_the_time_to_load_is_charged():
    cheap, costly = (
        simulate(Task("promotion", 1, Study(54, 9, 2.0, load), 0)) for load in (0.0, 4.0)
    )
    assert costly.n_loaded > 0
    assert costly.wall_s > cheap.wall_s


def test_the_synchronous_model_is_one_of_the_policies():
    assert simulate(Task(SYNCHRONOUS, 1, STUDY, 0)) == synchronous(STUDY, 1)
