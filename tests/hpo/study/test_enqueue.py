import itertools

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.samplers import BruteForceSampler, GridSampler, RandomSampler

from commons.optuna_internals import FIXED
from hpo.search.finite import most_trials
from hpo.search.points import Point
from hpo.search.space import Space
from hpo.settings import SettingError
from hpo.study.enqueue import enqueue
from hpo.study.portions import issue_tickets, study_lock

SPACE = {"x": IntDistribution(1, 3), "c": CategoricalDistribution(["a", "b"])}
GRID = {"x": [1, 2, 3], "c": ["a", "b"]}
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def points(*params):
    return [Point("default" if i == 0 else "given", each) for i, each in enumerate(params)]


@pytest.fixture
def prepare(tmp_path):
    """Enqueues points, and issues the other tickets as a command does."""

    def prepared(study, given, n_trials):
        with study_lock(tmp_path) as lock:
            enqueue(study, given, n_trials, study.sampler)
            possible = int(min(n_trials, most_trials(study, study.sampler, SPACE)))
            issue_tickets(study, possible, lock=lock)
        return possible

    return prepared


def run(study, n_trials):
    def objective(trial):
        Space(SPACE).suggest(trial)
        return 0.0

    for _ in range(n_trials):
        study.optimize(objective, n_trials=1)
    return [tuple(trial.params[key] for key in SPACE) for trial in study.trials if trial.params]


def test_the_first_trials_have_the_values_and_say_where_these_are_from(prepare):
    study = optuna.create_study(sampler=RandomSampler(1))
    assert prepare(study, points({"x": 2, "c": "b"}, {"x": 3}), 4) == 4
    done = run(study, 4)
    assert len(done) == 4
    assert (done[0], done[1][0]) == ((2, "b"), 3)
    sources = [trial.user_attrs.get("enqueued") for trial in study.trials]
    assert sources == ["default", "given", None, None]


def test_a_command_that_is_repeated_enqueues_nothing_twice_but_what_is_new(prepare):
    study = optuna.create_study(sampler=RandomSampler(1))
    first, second = points({"x": 2, "c": "b"}, {"x": 1, "c": "a"})
    prepare(study, [first], 3)
    run(study, 1)
    prepare(study, [first, second], 3)  # takes a ticket that nobody has begun
    prepare(study, [first, second, Point("given", {"x": 3})], 4)
    fixed = [trial.system_attrs.get(FIXED) for trial in study.trials]
    assert fixed == [first.params, second.params, {"x": 3}, None]


def test_a_point_that_was_drawn_is_not_trained_again(prepare):
    study = optuna.create_study(sampler=RandomSampler(1))
    prepare(study, [], 1)
    ((x, c),) = run(study, 1)
    prepare(study, points({"x": x, "c": c}), 3)
    assert [FIXED in trial.system_attrs for trial in study.trials] == [False] * 3


def test_a_study_has_one_default_and_a_finished_one_needs_none(prepare):
    study = optuna.create_study(sampler=RandomSampler(1))
    prepare(study, points({"x": 2}), 1)
    run(study, 1)
    prepare(study, points({"x": 1}), 2)  # the configuration has changed meanwhile
    assert [t.user_attrs.get("enqueued") for t in study.trials] == ["default", None]
    older = optuna.create_study(sampler=RandomSampler(1))
    prepare(older, [], 1)
    run(older, 1)
    prepare(older, points({"x": 1}), 1)
    assert len(older.trials) == 1


def test_more_points_than_trials_are_refused_and_nothing_is_written(prepare):
    study = optuna.create_study()
    with pytest.raises(SettingError) as refused:
        prepare(study, points({"x": 1}, {"x": 2}), 1)
    assert refused.value.naming("hpo.{}".format) == (
        "hpo.enqueue: 1 trials are left of hpo.n_trials=1, but 2 points are new"
    )
    assert study.trials == []


def test_a_ticket_that_another_worker_takes_meanwhile_is_left_to_it(prepare, monkeypatch):
    study = optuna.create_study(sampler=RandomSampler(1))
    prepare(study, [], 2)
    seen = study.get_trials()
    study.ask()
    monkeypatch.setattr(study, "get_trials", lambda **_: seen)
    enqueue(study, points({"x": 2}), 2, study.sampler)
    monkeypatch.undo()
    assert [FIXED in trial.system_attrs for trial in study.trials] == [False, True]


@pytest.mark.parametrize("n_first", [1, 2, 6])
def test_a_grid_with_points_of_the_user_visits_each_point_once(prepare, n_first):
    whole = [{"x": x, "c": c} for x, c in itertools.product(GRID["x"], GRID["c"])]
    study = optuna.create_study(sampler=GridSampler(GRID, seed=3))
    given = points(*whole[::-1][:n_first])
    assert prepare(study, given, 20) == 6
    done = run(study, 6)
    assert [dict(zip(SPACE, point, strict=True)) for point in done[:n_first]] == whole[::-1][
        :n_first
    ]
    assert len(set(done)) == len(done) == 6


def test_a_grid_that_is_raised_later_still_visits_each_point_once(prepare):
    for x, c in itertools.product(GRID["x"], GRID["c"]):
        study = optuna.create_study(sampler=GridSampler(GRID, seed=3))
        given = points({"x": x, "c": c})
        for n_trials in (2, 4, 9):
            possible = prepare(study, given, n_trials)
            done = run(study, possible - len([t for t in study.trials if t.state.is_finished()]))
        assert len(set(done)) == len(done) == 6


def test_a_point_beside_the_grid_is_one_more_trial(prepare):
    study = optuna.create_study(sampler=GridSampler({"x": [1, 2], "c": ["a"]}, seed=3))
    assert prepare(study, points({"x": 3, "c": "b"}), 20) == 3
    assert sorted(run(study, 3)) == [(1, "a"), (2, "a"), (3, "b")]


def test_a_grid_needs_all_keys_of_a_point(prepare):
    study = optuna.create_study(sampler=GridSampler(GRID))
    with pytest.raises(SettingError, match="it lacks c"):
        prepare(study, points({"x": 3}), 20)


def test_brute_force_counts_an_enqueued_point_once(prepare):
    study = optuna.create_study(sampler=BruteForceSampler())
    assert prepare(study, points({"x": 2, "c": "a"}), 20) == 6
    done = run(study, 6)
    assert done[0] == (2, "a")
    assert len(set(done)) == 6
