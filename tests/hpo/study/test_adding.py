import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from hpo.attributes import ADDED, SOURCES
from hpo.settings import SettingError
from hpo.study.adding import add, identity, label_of
from hpo.study.portions import study_lock

SPACE = {
    "lr": FloatDistribution(0, 1),
    "units": IntDistribution(8, 64, step=8),
    "c": CategoricalDistribution(["adam", None, 1]),
}


def finished(lr, source="a", value=2, **steps):
    """Return a finished trial with a value, or a pruned one with steps."""
    return create_trial(
        state=TrialState.PRUNED if steps else TrialState.COMPLETE,
        value=None if steps else value,
        params={"lr": lr, "units": 16, "c": None},
        distributions=SPACE,
        intermediate_values={int(name[1:]): each for name, each in steps.items()},
        user_attrs={ADDED: source},
    )


def rates(study):
    return [trial.params["lr"] for trial in study.trials]


@pytest.fixture(params=["journal", "sqlite"])
def study(request, storages):
    return optuna.create_study(storage=storages(request.param))


@pytest.fixture
def lock(tmp_path):
    with study_lock(tmp_path) as held:
        yield held


def test_trials_are_added_once_before_the_first(study, lock):
    trials = [finished(0.1), finished(0.2), finished(0.3, s1=4)]
    assert add(study, ["a"], trials, lock) == 3
    assert add(study, ["a"], trials, lock) == 3
    assert [t.params for t in study.trials] == [t.params for t in trials]
    study.enqueue_trial({})
    assert add(study, ["a"], (), lock) == 3
    with pytest.raises(SettingError) as refused:
        add(study, ["a", "other"], (), lock)
    assert "has begun without other; leave it out" in str(refused.value)
    assert len(study.trials) == 4


def test_a_source_whose_trials_another_one_had_is_known_when_the_study_has_begun(study, lock):
    assert add(study, ["b", "a"], [finished(0.1, "b")], lock) == 1
    assert study.user_attrs[SOURCES] == ["b", "a"]
    study.enqueue_trial({})
    assert add(study, ["b", "a"], (), lock) == 1
    assert add(study, ["a"], (), lock) == 1


def test_a_study_of_an_earlier_version_knows_the_sources_of_its_trials(study, lock):
    study.add_trial(finished(0.1, "url::old"))
    study.enqueue_trial({})
    for source in ("url", "url::old"):
        assert add(study, [source], (), lock) == 1
    with pytest.raises(SettingError, match="without url::new"):
        add(study, ["url::new"], (), lock)


def test_what_a_killed_command_has_left_is_added_though_its_source_has_more_by_now(study, lock):
    first, second, third, early = (finished(lr) for lr in (0.1, 0.2, 0.3, 0.05))
    study.add_trials([first, second])
    assert add(study, ["a"], [early, first, second, third], lock) == 4
    assert rates(study) == [0.1, 0.2, 0.05, 0.3]


def test_a_trial_that_is_there_of_another_source_is_not_added_again(study, lock):
    study.add_trial(finished(0.1, "a"))
    assert add(study, ["b", "a"], [finished(0.1, "b"), finished(0.2, "b")], lock) == 2
    assert rates(study) == [0.1, 0.2]
    assert study.user_attrs[SOURCES] == ["b", "a"]


def test_sources_of_two_commands_are_all_known(study, lock):
    add(study, ["a"], [finished(0.1)], lock)
    add(study, ["b"], [finished(0.2, "b")], lock)
    add(study, [], (), lock)
    assert study.user_attrs[SOURCES] == ["a", "b"]
    assert rates(study) == [0.1, 0.2]


def test_a_study_that_nothing_was_added_to_stores_no_sources(study, lock):
    assert add(study, [], (), lock) == 0
    assert SOURCES not in study.user_attrs


def test_a_trial_is_the_same_after_it_was_stored_and_others_differ(study):
    trials = [finished(1), finished(1, value=3), finished(1, s1=2), finished(1, s1=2, s3=1)]
    study.add_trials(trials)
    assert [identity(t) for t in study.trials] == [identity(t) for t in trials]
    assert len({*map(identity, trials)}) == 4
    assert identity(finished(1, "a")) == identity(finished(1, "b"))


def test_a_label_has_no_password():
    assert label_of("postgresql://me:s3cret@host/db::old") == "postgresql://me:***@host/db::old"
    assert label_of("/a/old.csv") == "/a/old.csv"
