"""Trials that go on with another number of GPUs, on workers of several sizes."""

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from commons.optuna_internals import storage_of, trial_id
from hpo.attributes import PAUSED
from hpo.growth import Growth
from hpo.search.growth import GrowingPruner, undecided
from hpo.search.pausing import n_startable
from hpo.search.promotion import PromotionPruner
from hpo.study.tickets import Tickets

GROWTH = Growth({0: 1, 1: 2, 3: 4})


def policy():
    return PromotionPruner(min_resource=1, reduction_factor=3, max_resource=9)


@pytest.fixture
def study(tmp_path):
    """Makes a study whose paused trials have these values at steps 1, 2, ..."""

    def make(*curves, n_new=0):
        storage = optuna.storages.InMemoryStorage()
        study = optuna.create_study(storage=storage, study_name="s", pruner=policy())
        for curve in curves:
            values = dict(enumerate(curve, 1))
            paused = create_trial(state=TrialState.WAITING, intermediate_values=values)
            study.add_trial(paused)
            trial = study.get_trials(deepcopy=False)[-1]
            storage.set_trial_system_attr(trial_id(trial), PAUSED, len(curve))
            storage.set_trial_system_attr(trial_id(trial), "hpo:lease", {"released": "x"})
        for _ in range(n_new):
            study.add_trial(create_trial(state=TrialState.WAITING))
        return study

    return make


def tickets(study, tmp_path, gpus):
    return Tickets(
        storage_of(study),
        "s",
        folder=tmp_path,
        n_trials=len(study.trials),
        pruner=None if gpus is None else GrowingPruner(policy(), GROWTH, gpus),
        lease_s=60,
        max_retries=3,
    )


def taken(study, tmp_path, gpus):
    trial = tickets(study, tmp_path, gpus).take()
    return None if trial is None else trial.number


def reported(study, values):
    trial = study.ask()
    for step, value in values.items():
        trial.report(value, step)
    return study.get_trials(deepcopy=False)[trial.number]


@pytest.mark.parametrize(
    ("values", "pauses"),
    [
        ({1: 0.0}, True),  # the best goes on, but on two GPUs
        ({1: 0.0, 2: 0.0}, False),
        ({1: 0.0, 2: 0.0, 3: 0.0}, True),
        ({2: 0.0}, True),  # jumps over step 1
        ({1: 0.0, 3: 0.0, 4: 0.0}, False),
    ],
)
def test_a_trial_pauses_where_its_number_of_gpus_changes(values, pauses):
    study = optuna.create_study(pruner=GrowingPruner(policy(), GROWTH, 1))
    assert study.pruner.pause(study, reported(study, values)) is pauses


def test_a_decision_is_due_at_rungs_and_where_the_size_changes():
    pruner = GrowingPruner(policy(), Growth({0: 1, 5: 2}), 1)
    assert [pruner.is_due(step - 1, step) for step in range(1, 10)] == [
        *(True, False, True, False, True, False, False, False, True)
    ]


def test_gpus_may_change_only_where_the_policy_decides():
    assert undecided(policy(), Growth({0: 1, 1: 2, 9: 4})) is None
    assert undecided(policy(), Growth({0: 1, 3: 2, 5: 4, 7: 8})) == 5


def test_a_worker_takes_only_trials_of_its_size(study, tmp_path):
    # The best of three at step 1 is promoted and needs two GPUs; the new one needs one.
    def fresh():
        return study([0.3], [0.1], [0.2], n_new=1)

    assert taken(fresh(), tmp_path, 1) == 3
    assert taken(fresh(), tmp_path, 2) == 1
    assert taken(fresh(), tmp_path, 4) is None


def test_a_worker_does_not_end_what_goes_on_elsewhere(study, tmp_path):
    waiting = study([0.3], [0.1], [0.2])
    for gpus in (1, 4):
        assert taken(waiting, tmp_path, gpus) is None
        assert {trial.state for trial in waiting.trials} == {TrialState.WAITING}
    assert taken(waiting, tmp_path, 2) == 1


def test_new_trials_are_left_to_workers_of_their_size(study, tmp_path):
    waiting = study(n_new=2)
    assert taken(waiting, tmp_path, 4) is None
    assert {trial.state for trial in waiting.trials} == {TrialState.WAITING}
    assert taken(waiting, tmp_path, 1) == 0


def test_any_worker_winds_up_when_no_trial_goes_on(study, tmp_path):
    waiting = study([0.3], [0.1])  # of two at the rung none is promoted
    assert taken(waiting, tmp_path, 4) is None  # the last one goes on, on two GPUs
    assert [PAUSED in t.system_attrs and t.system_attrs[PAUSED] for t in waiting.trials] == [
        1,
        None,
    ]
    assert taken(waiting, tmp_path, 2) == 1


def startable(study, begun, gpus, n_new):
    own = [trial for trial in begun if GROWTH.after(trial.last_step) == gpus]
    return n_startable(study, own, n_new if gpus == GROWTH.after(0) else 0)


def test_what_could_start_is_counted_by_size(study):
    waiting = study([0.3], [0.1], [0.2], [0.5], [0.4], [0.6], [0.1, 0.1, 0.1], n_new=2)
    begun = [t for t in waiting.get_trials(deepcopy=False) if t.intermediate_values]
    counts = {g: startable(waiting, begun, g, 2) for g in GROWTH.sizes}
    # Of seven at step 1 two are promoted: one is the trial that went on.
    assert counts == {1: 2, 2: 1, 4: 0}


def test_an_interrupted_trial_could_start_on_its_size(study):
    waiting = study([0.3, 0.2])
    (trial,) = waiting.get_trials(deepcopy=False)
    storage_of(waiting).set_trial_system_attr(trial_id(trial), PAUSED, None)
    begun = waiting.get_trials(deepcopy=False)
    assert [startable(waiting, begun, g, 0) for g in GROWTH.sizes] == [0, 1, 0]
