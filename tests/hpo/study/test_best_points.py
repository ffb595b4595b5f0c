import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from hpo.attributes import BEST
from hpo.search.points import Point
from hpo.search.space import Space
from hpo.settings import SettingError
from hpo.storage.opening import open_storage
from hpo.study.best_points import with_best

SPACE = Space({"+lr": FloatDistribution(0, 1), "n": CategoricalDistribution([1, "[1,2]", True])})
OLD = {"lr": FloatDistribution(-9, 9), "n": SPACE.distributions["n"], "k": IntDistribution(0, 99)}


def trial(values, state=TrialState.COMPLETE, **params):
    return create_trial(
        state=state,
        values=values,
        params=params,
        distributions={name: OLD[name] for name in params},
    )


@pytest.fixture
def old(tmp_path):
    """Stores trials as a study in the folder `old`; returns the folder."""

    def make(*trials, name="s", directions=("minimize",), **attributes):
        storage = open_storage(tmp_path / "old/journal.log", tmp_path)
        study = optuna.create_study(study_name=name, storage=storage, directions=directions)
        study.add_trials(trials)
        for key, value in attributes.items():
            study.set_user_attr(key, value)
        return str(tmp_path / "old")

    return make


def points(entry, space=SPACE):
    return [point.params for point in with_best(entry, space)]


def told(entry, space=SPACE):
    with pytest.raises(SettingError) as refused:
        with_best(entry, space)
    return refused.value.naming(str)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_three_best_complete_trials_that_differ_in_the_searched_keys(old, direction):
    sign = -1 if direction == "maximize" else 1
    source = old(
        trial([sign * 5.0], lr=0.5, n=1, k=1),
        trial([sign * 4.0], lr=0.4, n="[1,2]", k=1),
        trial([sign * 1.0], lr=0.1, n=1, k=1),
        trial([sign * 2.0], lr=0.1, n=1, k=2),  # as the best but for a key that is not searched
        trial([sign * 3.0], lr=0.3, n=1, k=1),
        trial([sign * 0.0], TrialState.PRUNED, lr=0.0, n=1, k=1),
        directions=(direction,),
    )
    assert with_best(source, SPACE) == [
        Point(source, {"+lr": 0.1, "n": 1}),
        Point(source, {"+lr": 0.3, "n": 1}),
        Point(source, {"+lr": 0.4, "n": "[1,2]"}),
    ]


def test_a_key_that_is_missing_is_left_to_the_sampler(old):
    assert points(old(trial([1.0], n=1), trial([0.0], k=3))) == [{"n": 1}]


def test_of_several_objectives_the_rule_of_the_study_counts(old):
    trials = [trial([v, 1 - v], lr=v) for v in (0.0, 0.25, 0.75, 1.0)]
    names = {"directions": ("minimize", "minimize")}
    first = points(old(*trials, **names))
    second = points(f"{old(*trials, name='second', **names, **{BEST: [0, 1]})}::second")
    assert [params["+lr"] for params in first] == [0.0, 0.25, 0.75]
    assert [params["+lr"] for params in second] == [1.0, 0.75, 0.25]


def test_of_several_studies_all_that_fit_are_taken_or_the_named_one(old):
    old(trial([1.0], lr=0.1))
    old(trial([1.0], k=5), name="other")
    source = old(trial([1.0], lr=0.2), name="t")
    assert points(source) == [{"+lr": 0.1}, {"+lr": 0.2}]
    assert points(f"{source}/journal.log::t") == [{"+lr": 0.2}]


@pytest.mark.parametrize("entry", ["default", "best.yaml", "a/b.yml", {"lr": 1}, 3, None])
def test_what_is_no_study_is_left_as_it_is(entry):
    assert with_best(entry, SPACE) == [entry]


def test_a_source_that_does_not_fit_is_named_with_the_reason(old, tmp_path):
    source = old(trial([2.0], lr=0.1), trial([1.0], lr=2.0))
    assert told(source) == (
        f"enqueue: {source}: study 's': trial 1: +lr = 2.0 lies outside of the search space"
    )
    assert "study=t: the storage has s" in told(f"{source}::t")
    other = Space({"x": FloatDistribution(0, 1)})
    assert told(source, other).endswith("study 's': no complete trial with a searched key")
    pruned = old(trial([1.0], TrialState.PRUNED, lr=0.1), name="p")
    assert told(f"{pruned}::p").endswith("study 'p': no complete trial with a searched key")
    assert told("nowhere") == "enqueue: nowhere: no such journal file"
    assert told("defaultt") == ("enqueue: defaultt: no such journal file; did you mean default?")
    (tmp_path / "t.csv").write_text("lr,value\n0.1,2\n")
    assert told(str(tmp_path / "t.csv")) == f"enqueue: {tmp_path}/t.csv: no study in it"
