"""How many tickets exist at a time."""

import optuna
import pytest

from hpo.study.portions import issue_tickets, n_lacking, study_lock


@pytest.fixture
def study():
    return optuna.create_study()


def test_a_portion_is_created_and_topped_up_when_half_of_it_is_used(study, tmp_path):
    with study_lock(tmp_path) as lock:
        assert issue_tickets(study, 1000, lock=lock) == 16
        assert issue_tickets(study, 1000, lock=lock) == 0
        for _ in range(8):
            study.ask()
        # Eight are left of a portion of 16 and two for each of eight running trials.
        assert issue_tickets(study, 1000, lock=lock) == 24
    assert len(study.trials) == 40


def test_the_budget_is_never_passed(study, tmp_path):
    with study_lock(tmp_path) as lock:
        assert issue_tickets(study, 5, lock=lock) == 5
        assert issue_tickets(study, 5, lock=lock) == 0
        assert issue_tickets(study, 3, lock=lock) == 0


def test_a_full_space_gets_no_more(study, tmp_path):
    with study_lock(tmp_path) as lock:
        assert issue_tickets(study, 9, lock=lock, is_full=lambda: True) == 0
        assert issue_tickets(study, 9, lock=lock, is_full=lambda: False) == 1
    assert n_lacking(study.trials, 8, lambda: False) == 0
