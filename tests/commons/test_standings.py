import copy
import math
import pickle

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from commons.asha import AshaPruner
from commons.ranking import RANKINGS
from commons.rungs import choose_rungs, sign
from hpo.search.pausing import PausedTrials
from hpo.search.promotion import PromotionPruner
from hpo.storage.opening import open_storage

END = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]


def ranked(ranking, trials, rung, factor):
    """The numbers of all trials at a rung: each opinion picks one in turn."""
    values = {
        t.number: RANKINGS[ranking](t.intermediate_values, rung, factor, t.number) for t in trials
    }
    known = {number: each for number, each in values.items() if each is not None}
    by_level = sorted(known, key=lambda number: known[number].level)
    by_trend = sorted(known, key=lambda number: known[number].trend or known[number].level)
    return list(dict.fromkeys(n for turn in zip(by_level, by_trend, strict=True) for n in turn))


def plain_prune(rungs, ranking, study, trial):
    """The definition of AshaPruner, by a look at all trials; nothing may have stayed equal."""
    trials = [trial, *(t for t in study.get_trials(deepcopy=False) if t.number != trial.number)]

    def goes_on(rung):
        order = ranked(ranking, trials, rung, sign(study))
        if trial.number not in order:
            return False
        n_best = rungs.n_best(rung, lambda at: len(ranked(ranking, trials, at, sign(study))))
        return order.index(trial.number) < max(1, n_best)

    return not all(map(goes_on, rungs.just_reached(trial)))


def plain_choose(rungs, ranking, study, paused):
    """The definition of PromotionPruner, by a look at all trials."""
    trials, factor = study.get_trials(deepcopy=False), sign(study)
    highest = {t.number: rungs.up_to(t.last_step or 0)[-1:] for t in paused}
    for rung in sorted({rung for each in highest.values() for rung in each}, reverse=True):
        order = ranked(ranking, trials, rung, factor)
        here = {t.number: t for t in paused if highest[t.number] == [rung]}
        n_best = rungs.n_best(rung, lambda at: len(ranked(ranking, trials, at, factor)))
        for number in order[:n_best]:
            if number in here:
                return number
    return None


class TellsAll(optuna.storages.InMemoryStorage):
    """Tells each time that all trials have changed."""

    def changed_trials(self, study_id, since):
        return since + 1, self.get_all_trials(study_id, deepcopy=False)


def few_values(rng):
    return rng.integers(0, 5, size=8) / 4


def all_differ(rng):
    return rng.random(size=8)


class Random:
    """A study whose trials report what, when and as often as they like."""

    def __init__(self, rng, storage, name, direction, make):
        self.rng, self.storage, self.make = rng, storage, make
        self.study = optuna.create_study(storage=storage, study_name=name, direction=direction)
        self.open = []

    def step(self):
        """Begin, report, pause, resume or end a trial; return it if it has reported."""
        if len(self.open) < 12 and self.rng.random() < 0.4:
            self.open.append([self.storage.create_new_trial(self.study._study_id), 0])
        if not self.open:
            return None
        trial = self.open[self.rng.integers(len(self.open))]
        if self.rng.random() < 0.1:
            self.open.remove(trial)
            end = END[self.rng.integers(3)]
            values = [1.0] if end == TrialState.COMPLETE else None
            self.storage.set_trial_state_values(trial[0], end, values)
            return None
        if self.rng.random() < 0.3:  # paused or interrupted, and resumed
            self.storage.set_trial_state_values(trial[0], TrialState.WAITING)
            if self.rng.random() < 0.5:
                return None
        if self.storage.get_trial(trial[0]).state == TrialState.WAITING:
            self.storage.set_trial_state_values(trial[0], TrialState.RUNNING)
        trial[1] += int(self.rng.choice([1, 1, 1, 2, 5]))
        late = trial[1] > 2 and self.rng.random() < 0.1  # a report of a step that was jumped over
        step = int(self.rng.integers(1, trial[1])) if late else trial[1]
        value = float(self.rng.choice([math.nan, math.inf, *self.make(self.rng)]))
        self.storage.set_trial_intermediate_value(trial[0], step, value)
        return self.storage.get_trial(trial[0])


MANY = [
    ("memory", 600, r, eta, direction, ranking)
    for direction in ("minimize", "maximize")
    for r, eta, ranking in ((1, 2, "last"), (2, 4, "last"), (1, 3, "two_opinions"))
]
SLOW = ("memory", 500, "auto", None, "minimize", "two_opinions")


@pytest.mark.parametrize(
    ("kind", "n_steps", "r", "eta", "direction", "ranking"),
    [*MANY, SLOW, ("journal", 150, 1, 2, "maximize", "last")],
)
def test_decisions_are_those_of_a_look_at_all_trials(
    tmp_path, kind, n_steps, r, eta, direction, ranking
):
    rng = np.random.default_rng([eta or 0, n_steps])
    rungs, promoting = (choose_rungs(r, eta, 40, share) for share in (0.8, 0.7))
    asha = AshaPruner(r, eta, ranking, 40)
    promotion = PromotionPruner(r, eta, ranking=ranking, max_resource=40)
    # Equal values are of interest; but of two opinions equal curves would share a place.
    make = few_values if ranking == "last" else all_differ
    if kind == "memory":
        storages = [optuna.storages.InMemoryStorage() for _ in range(2)]
    elif kind == "changes":
        storages = [TellsAll() for _ in range(2)]
    else:  # two studies in one storage
        storages = [open_storage(tmp_path / "journal.log", tmp_path)] * 2
    studies = [Random(rng, s, f"s{i}", direction, make) for i, s in enumerate(storages)]
    pruned, chosen = [], []
    for i in range(n_steps):
        made = studies[rng.integers(2)]
        if i == n_steps // 3:
            asha, promotion = pickle.loads(pickle.dumps((asha, copy.deepcopy(promotion))))
        trial = made.step()
        if trial is None:
            continue
        expected = plain_prune(rungs, ranking, made.study, trial)
        assert asha.prune(made.study, trial) is expected, i
        pruned.append(expected)
        states = (TrialState.WAITING,)
        paused = [t for t in made.study.get_trials(deepcopy=False) if t.state in states]
        best = promotion.choose(made.study, paused)
        expected = plain_choose(promoting, ranking, made.study, paused)
        assert (best and best.number) == expected, i
        best = promotion.choose(made.study, PausedTrials(paused))
        assert (best and best.number) == expected, i
        only = plain_choose(promoting, ranking, made.study, [trial])
        pauses = trial.last_step < 40 and bool(promoting.just_reached(trial)) and only is None
        assert promotion.pause(made.study, trial) == pauses, i
        chosen.append(expected)
    assert 10 < sum(pruned) < len(pruned) - 10
    assert len({*chosen}) > 2


def test_what_a_trial_reports_last_counts_before_the_storage_shows_it():
    study = optuna.create_study()
    for value in (1.0, 2.0, 3.0):
        study.ask().report(value, 1)
    pruner = AshaPruner(1, ranking="last")
    seen = study.trials[2]
    assert pruner.prune(study, seen)
    seen.intermediate_values[1] = 0.5
    assert not pruner.prune(study, seen)
