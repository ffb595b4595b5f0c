from functools import partial

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import TrialState, create_trial

from hpo.search.diverse import DiverseSampler
from hpo.search.seeded import make_sampler

SPACE = {
    "lr": FloatDistribution(1e-6, 1e-2, log=True),
    "decay": FloatDistribution(0, 1),
    "layers": IntDistribution(0, 4),
    "norm": CategoricalDistribution([True, False]),
}
POINT = {"lr": 1e-4, "decay": 0.5, "layers": 2, "norm": True}
# Joint proposals and, parameter by parameter, independent ones.
both = pytest.mark.parametrize("multivariate", [True, False])


class Stubborn(BaseSampler):
    """Proposes what it is told to, one after the other, and the last one for ever."""

    def __init__(self, *proposals, seed=None):
        self.proposals, self.n_asked = list(proposals), 0

    def infer_relative_search_space(self, study, trial):
        return SPACE

    def sample_relative(self, study, trial, search_space):
        self.n_asked += 1
        return self.proposals.pop(0) if len(self.proposals) > 1 else self.proposals[0]

    def sample_independent(self, study, trial, param_name, param_distribution):
        raise AssertionError("everything is proposed jointly")


def study_of(*points, space=SPACE, state=TrialState.COMPLETE):
    """A study with these earlier trials; the next one has an even number."""
    study = optuna.create_study()
    value = 1.0 if state == TrialState.COMPLETE else None
    for point in points:
        trial = create_trial(state=state, value=value, params=point, distributions=space)
        study.add_trial(trial)
    while len(study.trials) % 2:
        study.add_trial(create_trial(state=TrialState.FAIL))
    return study


def asked(study, *proposals, **options):
    study.sampler = DiverseSampler(partial(Stubborn, *proposals), seed=1, **options)
    return study.ask(SPACE).params, study.sampler._sampler.n_asked


def gap(a, b):
    """Distance of two configurations of SPACE in the unit cube."""
    return max(
        abs(np.log10(a["lr"] / b["lr"])) / 4,
        abs(a["decay"] - b["decay"]),
        abs(a["layers"] - b["layers"]) / 4,
        float(a["norm"] != b["norm"]),
    )


def run(sampler, n_trials, space=SPACE, seed=0):
    """Run a study the way workers do it, a new sampler for each trial; return its parameters."""
    study = optuna.create_study()
    for number in range(n_trials):
        draw = np.random.SeedSequence([seed, number]).generate_state(1)[0]
        study.sampler = sampler(seed=int(draw))
        trial = study.ask(space)
        loss = sum((v - 0.3) ** 2 for v in trial.params.values() if isinstance(v, float))
        study.tell(trial, loss)
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({}, True),
        ({"lr": 1e-4 * 10**0.39}, True),  # 0.0975 of four decades
        ({"lr": 1e-4 * 10**0.41}, False),
        ({"lr": 1e-4 / 10**0.41}, False),
        ({"decay": 0.59}, True),
        ({"decay": 0.61}, False),
        ({"layers": 3}, False),
        ({"norm": False}, False),
        ({"decay": 0.59, "lr": 1e-4 * 10**0.39}, True),
    ],
)
def test_what_is_near_in_every_parameter_is_refused(change, refused):
    proposal = {**POINT, **change}
    params, n_asked = asked(study_of(POINT), proposal)
    assert (params != proposal) == refused
    assert n_asked == (5 if refused else 1)


def test_the_next_proposal_that_is_off_is_taken():
    off = {**POINT, "norm": False}
    assert asked(study_of(POINT), POINT, POINT, off) == (off, 3)


def test_nearness_follows_min_distance_and_with_zero_only_repetitions_are_refused():
    near = {**POINT, "decay": 0.55}
    assert asked(study_of(POINT), near, min_distance=0.04) == (near, 1)
    assert asked(study_of(POINT), near, min_distance=0.0) == (near, 1)
    assert asked(study_of(POINT), POINT, min_distance=0.0)[1] == 5


@pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.RUNNING, TrialState.FAIL])
def test_trials_that_run_or_were_pruned_or_failed_count_as_earlier_ones(state):
    assert asked(study_of(POINT, state=state), POINT)[1] == 5


def test_neighbourhoods_shrink_when_trials_crowd_a_small_space():
    space = {"x": FloatDistribution(0, 1)}
    sampler = DiverseSampler(TPESampler, seed=1)
    assert sampler._reach(1, len(space)) == pytest.approx(0.05)
    assert sampler._reach(1000, len(space)) == pytest.approx(0.05 / 1000)
    assert sampler._reach(1000, 7) == 0.1
    points = [params["x"] for params in run(partial(DiverseSampler, TPESampler), 60, space)]
    assert min(abs(x - 0.3) for x in points) < 0.003


@pytest.mark.parametrize(("random_every", "guided"), [(2, [0, 2, 4]), (3, [0, 1, 3, 4])])
def test_every_so_many_th_trial_is_random(random_every, guided):
    study = study_of()
    proposals = [{**POINT, "layers": layers} for layers in range(5)]
    study.sampler = DiverseSampler(partial(Stubborn, *proposals), random_every, seed=1)
    asked = [study.ask(SPACE).params for _ in range(6)]
    assert [number for number, params in enumerate(asked) if params in proposals] == guided


@both
def test_proposals_of_tpe_keep_off_earlier_trials_where_tpe_alone_crowds(multivariate):
    tpe = partial(TPESampler, multivariate=multivariate)

    def n_near(sampler):
        n = 0
        for params in (run(sampler, 60, seed=seed) for seed in range(3)):
            later = range(20, len(params), 2)
            n += sum(min(gap(params[i], p) for p in params[:i]) <= 0.1 for i in later)
        return n

    # A few are left, random ones where five proposals were refused.
    assert 3 * n_near(partial(DiverseSampler, tpe)) < n_near(tpe)


@both
def test_the_seed_reproduces_a_study(multivariate):
    sampler = partial(DiverseSampler, partial(TPESampler, multivariate=multivariate))
    assert run(sampler, 24) == run(sampler, 24) != run(sampler, 24, seed=1)


def test_a_random_configuration_cannot_repeat_a_refused_one_for_having_the_same_seed():
    study, sampler = study_of(), DiverseSampler(RandomSampler, seed=3)
    parts = (sampler._sampler, sampler._random)
    assert len({part.sample_independent(study, None, "lr", SPACE["lr"]) for part in parts}) == 2


def test_a_conditional_space_is_sampled_and_does_not_turn_random():
    study = optuna.create_study()
    for number in range(60):
        study.sampler = DiverseSampler(TPESampler, seed=number)
        trial = study.ask()
        kind = trial.suggest_categorical("kind", ["a", "b"])
        x = trial.suggest_float(f"x_{kind}", 0, 1)
        study.tell(trial, (kind == "b") + (x - 0.3) ** 2)
    kinds = [trial.params["kind"] for trial in study.trials[20:]]
    assert kinds[::2].count("a") >= 18  # of 20, were it random: 10
    assert 5 <= kinds[1::2].count("a") <= 15


def test_enqueued_parameters_are_taken_as_they_are():
    study = study_of(POINT)
    study.enqueue_trial(POINT)
    study.enqueue_trial({"layers": 4})
    study.sampler = DiverseSampler(TPESampler, seed=1)
    assert study.ask(SPACE).params == POINT
    assert study.ask(SPACE).params["layers"] == 4


def test_a_parameter_with_one_value_does_not_hide_a_repetition():
    space = {**SPACE, "fixed": CategoricalDistribution(["only"])}
    assert asked(study_of({**POINT, "fixed": "only"}, space=space), POINT)[1] == 5


def test_a_worker_gives_it_another_seed_for_each_trial():
    node = {
        "_target_": "hpo.search.diverse.DiverseSampler",
        "sampler": {"_target_": "optuna.samplers.TPESampler", "_partial_": True},
        "seed": 7,
    }
    draws = []
    for number in (0, 0, 2):
        study = study_of()
        study.sampler = make_sampler(node, number)[0]
        draws.append(study.ask(SPACE).params)
    assert draws[0] == draws[1] != draws[2]


def run_choices(n_trials, n_running=1, random_every=2):
    """Trials of a space with four points, several at the same time; return which points."""
    study = optuna.create_study(
        sampler=DiverseSampler(TPESampler, random_every=random_every, seed=3)
    )
    trials = []
    for _ in range(n_trials):
        trials.append(study.ask({"n": CategoricalDistribution([1, 2, 3, 4])}))
        if len(trials) >= n_running:
            study.tell(trials[-n_running], 1.0)
    return [trial.params["n"] for trial in trials]


@pytest.mark.parametrize("n_running", [1, 3, 5])
@pytest.mark.parametrize("random_every", [2, 5])
def test_no_point_of_a_small_space_comes_twice_before_all_have_come(n_running, random_every):
    assert sorted(run_choices(4, n_running, random_every)) == [1, 2, 3, 4]
    assert len(run_choices(9, n_running)) == 9  # then any of them again


def test_a_random_point_of_a_large_space_is_drawn_again_if_it_repeats_one():
    space = {"n": IntDistribution(1, 1200)}
    study = optuna.create_study(sampler=DiverseSampler(RandomSampler, seed=1))
    points = [{"n": n} for n in range(1, 1200) if n % 10]
    study.add_trials(create_trial(value=0.0, params=p, distributions=space) for p in points)
    later = [study.ask(space).params["n"] for _ in range(20)]
    assert len(set(later)) == 20
    assert sum(n % 10 == 0 for n in later) >= 5  # at random: 2


def test_a_trial_that_runs_and_has_half_of_its_parameters_hides_none():
    study = study_of(POINT)
    study.sampler = DiverseSampler(TPESampler, seed=1)
    study.ask().suggest_float("lr", 1e-6, 1e-2, log=True)
    assert study.sampler.infer_relative_search_space(study, study.ask()._get_latest_trial()) == (
        dict(sorted(SPACE.items()))
    )


def test_of_proposals_that_are_not_refused_the_cheapest_is_taken():
    earlier = optuna.create_study()
    for i in range(12):
        cheap = {**POINT, "norm": bool(i % 2), "decay": i / 11}
        trial = create_trial(
            state=TrialState.PRUNED,
            params=cheap,
            distributions=SPACE,
            intermediate_values={1: 0.0},
            user_attrs={"seconds": 1.0 if i % 2 else 9.0},
        )
        earlier.add_trial(trial)
    dear, cheap = ({**POINT, "layers": 4, "norm": norm} for norm in (False, True))

    def ask(*proposals, **options):
        study = optuna.create_study()
        study.add_trials(earlier.trials)
        return asked(study, *proposals, **options)

    assert ask(dear, cheap, cheapest_of=2) == (cheap, 2)
    assert ask(dear, cheap) == (dear, 1)
    near = earlier.trials[6].params
    assert ask(near, near, near, dear, cheap, cheapest_of=2) == (cheap, 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cheapest_of": 0}, "cheapest_of must be >= 1, got 0"),
        ({"sampler": TPESampler()}, "sampler must be a class or a partial of one"),
        ({"random_every": 1}, "random_every must be >= 2, got 1"),
        ({"min_distance": 1.0}, r"min_distance must be in \[0, 1\), got 1.0"),
        ({"min_distance": -0.1}, "min_distance must be in"),
    ],
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DiverseSampler(**{"sampler": TPESampler, **arguments})
