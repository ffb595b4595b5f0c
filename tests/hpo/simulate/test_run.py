import math

from hpo.simulate.run import Run, Spent

RUN = Run(
    spent=Spent(epochs=30, n_started=4, n_resumed=2),
    finished=((Spent(10, 1, 0), 3.0), (Spent(20, 3, 1), 1.0), (Spent(30, 4, 2), 2.0)),
    lengths=(10, 10, 3, 7),
)


def test_starts_and_resumptions_cost_the_epochs_given_for_them():
    assert RUN.spent.cost(start_epochs=0.5, resume_epochs=0.25) == 30 + 4 * 0.5 + 2 * 0.25


def test_the_final_loss_is_the_best_of_the_finished_trials():
    assert RUN.final == 1.0
    assert Run(Spent(5, 1, 0), (), (5,)).final == math.inf


def test_what_was_spent_until_a_loss_is_that_of_the_first_trial_good_enough():
    assert RUN.spent_to(3.0) == Spent(10, 1, 0)
    assert RUN.spent_to(2.0) == Spent(20, 3, 1)
    assert RUN.spent_to(0.5) is None
