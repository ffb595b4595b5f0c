from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.reproduce.policies.drive import EPOCH, METRIC, drive


class Halving:
    """Pauses each trial after its first epoch; then the best one goes on to its end."""

    def __init__(self, n, n_epochs):
        self.n, self.n_epochs, self.seen, self.log = n, n_epochs, {}, []

    def suggest(self, trial_id):
        if trial_id < self.n:
            return SimpleNamespace(spawn_new_trial_id=True, checkpoint_trial_id=None, config=7)
        if "best" in self.log:
            return None
        self.log.append("best")
        best = min(self.seen, key=self.seen.get)
        return SimpleNamespace(spawn_new_trial_id=False, checkpoint_trial_id=best, config=None)

    def on_trial_add(self, trial):
        self.log.append(f"add {trial}")

    def on_trial_result(self, trial, result):
        self.seen[trial[0]] = result[METRIC]
        if "best" in self.log:
            return "STOP" if result[EPOCH] == self.n_epochs else "CONTINUE"
        return "PAUSE"

    def on_trial_remove(self, trial):
        self.log.append(f"remove {trial}")

    def on_trial_error(self, trial):
        self.log.append(f"error {trial}")


@pytest.fixture
def losses():
    return np.array([[3.0, 2.0, 1.0], [2.0, 2.0, 0.5], [np.inf, np.inf, np.inf]])


def test_a_scheduler_decides_and_epochs_are_counted_once(losses):
    scheduler = Halving(3, 3)
    run = drive(scheduler, lambda number, config: (number, config), losses)
    assert run.lengths == (1, 3, 1)
    assert run.spent == (5, 3, 1)
    assert run.final == 0.5
    assert run.finished[0][0].epochs == 5
    assert scheduler.log[:2] == ["add (0, 7)", "remove (0, 7)"]
    assert scheduler.log.count("remove (1, 7)") == 2
    assert "error (2, 7)" in scheduler.log


def test_the_sweep_ends_when_a_new_trial_is_wanted_and_none_is_left(losses):
    run = drive(Halving(9, 3), lambda number, config: (number, config), losses)
    assert run.lengths == (1, 1, 1)
    assert run.final == float("inf")
