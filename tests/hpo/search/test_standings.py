import copy
import math
import pickle

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from hpo.search.asha import AshaPruner
from hpo.search.pausing import PausedTrials
from hpo.search.promotion import PromotionPruner
from hpo.search.rungs import Rungs, sign, value_at
from hpo.storage.opening import open_storage

END = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]


def plain_prune(rungs, study, trial):
    """The definition of AshaPruner, by a look at all trials."""
    others = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]

    def goes_on(rung):
        value, factor = value_at(trial, rung), sign(study)
        if value is None:
            return False
        rivals = [(factor * v, t.number) for t in others if (v := value_at(t, rung)) is not None]
        n_better = sum(rival < (factor * value, trial.number) for rival in rivals)
        return n_better < max(1, (len(rivals) + 1) // rungs.reduction_factor)

    return not all(map(goes_on, rungs.just_reached(trial)))


def plain_choose(rungs, study, paused):
    """The definition of PromotionPruner, by a look at all trials."""
    trials, factor = study.get_trials(deepcopy=False), sign(study)
    highest = {t.number: rungs.up_to(t.last_step or 0)[-1:] for t in paused}
    for rung in sorted({rung for each in highest.values() for rung in each}, reverse=True):
        values = ((value_at(trial, rung), trial.number) for trial in trials)
        ranked = sorted((factor * v, number) for v, number in values if v is not None)
        here = {t.number: t for t in paused if highest[t.number] == [rung]}
        for _, number in ranked[: len(ranked) // rungs.reduction_factor]:
            if number in here:
                return number
    return None


class TellsAll(optuna.storages.InMemoryStorage):
    """Tells each time that all trials have changed."""

    def changed_trials(self, study_id, since):
        return since + 1, self.get_all_trials(study_id, deepcopy=False)


class Random:
    """A study whose trials report what, when and as often as they like."""

    def __init__(self, rng, storage, name, direction):
        self.rng, self.storage = rng, storage
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
        value = float(self.rng.choice([math.nan, math.inf, *self.rng.integers(0, 5, size=8) / 4]))
        self.storage.set_trial_intermediate_value(trial[0], step, value)
        return self.storage.get_trial(trial[0])


MANY = [
    ("memory", 600, r, eta, direction)
    for direction in ("minimize", "maximize")
    for r, eta in ((1, 2), (1, 3), (2, 4))
]


@pytest.mark.parametrize(
    ("kind", "n_steps", "r", "eta", "direction"), [*MANY, ("journal", 150, 1, 2, "maximize")]
)
def test_decisions_are_those_of_a_look_at_all_trials(tmp_path, kind, n_steps, r, eta, direction):
    rng, rungs = np.random.default_rng([r, eta]), Rungs(r, eta)
    asha, promotion = AshaPruner(r, eta), PromotionPruner(r, eta)
    if kind == "memory":
        storages = [optuna.storages.InMemoryStorage() for _ in range(2)]
    elif kind == "changes":
        storages = [TellsAll() for _ in range(2)]
    else:  # two studies in one storage
        storages = [open_storage(tmp_path / "journal.log", tmp_path)] * 2
    studies = [Random(rng, s, f"s{i}", direction) for i, s in enumerate(storages)]
    pruned, chosen = [], []
    for i in range(n_steps):
        made = studies[rng.integers(2)]
        if i == n_steps // 3:
            asha, promotion = pickle.loads(pickle.dumps((asha, copy.deepcopy(promotion))))
        trial = made.step()
        if trial is None:
            continue
        expected = plain_prune(rungs, made.study, trial)
        assert asha.prune(made.study, trial) is expected, i
        pruned.append(expected)
        states = (TrialState.WAITING,)
        paused = [t for t in made.study.get_trials(deepcopy=False) if t.state in states]
        best = promotion.choose(made.study, paused)
        expected = plain_choose(rungs, made.study, paused)
        assert (best and best.number) == expected, i
        best = promotion.choose(made.study, PausedTrials(paused))
        assert (best and best.number) == expected, i
        only = plain_choose(rungs, made.study, [trial])
        pauses = bool(rungs.just_reached(trial)) and only is None
        assert promotion.pause(made.study, trial) == pauses, i
        chosen.append(expected)
    assert 10 < sum(pruned) < len(pruned) - 10
    assert len({*chosen}) > 2


def test_what_a_trial_reports_last_counts_before_the_storage_shows_it():
    study = optuna.create_study()
    for value in (1.0, 2.0, 3.0):
        study.ask().report(value, 1)
    pruner = AshaPruner()
    seen = study.trials[2]
    assert pruner.prune(study, seen)
    seen.intermediate_values[1] = 0.5
    assert not pruner.prune(study, seen)
