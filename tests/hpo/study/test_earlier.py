import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from hpo.storage.opening import open_storage
from hpo.study.earlier import read_earlier

SPACE = {
    "optimizer.lr": FloatDistribution(1e-4, 1e-1, log=True),
    "model.units": CategoricalDistribution([8, 64]),
}
CSV = "lr,units,loss_0,loss_1\n0.01,8,5,4\n0.001,64,6,\n1,8,7,6\n0.01,9,7,6\n"


def finished(value, state=TrialState.COMPLETE, space=SPACE, **params):
    steps = {1: value + 1, 2: value}
    return create_trial(
        state=state,
        value=value if state == TrialState.COMPLETE else None,
        params=params,
        distributions={name: space[name] for name in params},
        intermediate_values=steps,
    )


@pytest.fixture
def journal(tmp_path):
    """Stores trials as a study in a journal file."""

    def make(name, *trials, direction="minimize"):
        storage = open_storage(tmp_path / "journal.log", tmp_path)
        study = optuna.create_study(study_name=name, storage=storage, direction=direction)
        study.add_trials(trials)
        return str(tmp_path / "journal.log")

    return make


@pytest.fixture
def csv(tmp_path):
    """Writes a CSV file."""

    def make(text):
        (tmp_path / "curves.csv").write_text(text)
        return str(tmp_path / "curves.csv")

    return make


def lr(value, units=8):
    return {"optimizer.lr": value, "model.units": units}


def test_complete_and_pruned_trials_of_a_journal_come_back_on_the_space_of_today(journal):
    source = journal("old", finished(3.0, **lr(0.01)), finished(5.0, TrialState.PRUNED, **lr(0.1)))
    complete, pruned = read_earlier([source], SPACE, "minimize")
    assert (complete.state, complete.value) == (TrialState.COMPLETE, 3.0)
    assert (pruned.state, pruned.value) == (TrialState.PRUNED, None)
    assert pruned.params == lr(0.1)
    assert pruned.distributions == SPACE
    assert pruned.intermediate_values == {1: 6.0, 2: 5.0}


def test_trials_that_failed_or_run_teach_nothing(journal):
    failed = finished(2.0, **lr(0.02))
    failed.state, failed.values = TrialState.FAIL, None
    source = journal("old", finished(3.0, **lr(0.01)), failed)
    assert len(read_earlier([source], SPACE, "minimize")) == 1


def test_a_folder_stands_for_its_journal_and_sources_add_up(journal, tmp_path):
    source = journal("old", finished(3.0, **lr(0.01)))
    assert len(read_earlier([str(tmp_path), source], SPACE, "minimize")) == 2


def test_a_database_is_a_source(tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    study = optuna.create_study(storage=url, study_name="old")
    study.add_trial(finished(3.0, **lr(0.01)))
    assert [trial.value for trial in read_earlier([url], SPACE, "minimize")] == [3.0]


def test_what_is_out_of_range_or_not_searched_today_is_left_out(journal):
    wide = {
        "optimizer.lr": FloatDistribution(1e-6, 10),
        "model.units": CategoricalDistribution([8, 9]),
        "model.depth": IntDistribution(1, 9),
    }
    good = finished(1.0, space=wide, **lr(0.01), **{"model.depth": 2})
    bad = [finished(2.0, space=wide, **lr(5.0)), finished(3.0, space=wide, **lr(0.01, units=9))]
    partial = finished(4.0, space=wide, **{"optimizer.lr": 0.01})
    (trial,) = read_earlier([journal("old", *bad, partial, good)], SPACE, "minimize")
    assert trial.params == lr(0.01)


def test_a_plus_before_a_key_is_no_part_of_it(journal):
    space = {"+" + key: each for key, each in SPACE.items()}
    (trial,) = read_earlier([journal("old", finished(3.0, **lr(0.01)))], space, "minimize")
    assert trial.params == {"+" + key: value for key, value in lr(0.01).items()}


def test_of_several_studies_those_that_fit_are_taken_or_the_named_one(journal):
    journal("a", finished(1.0, **lr(0.01)))
    journal("b", finished(2.0, **lr(0.01)))
    journal("up", finished(9.0, **lr(0.01)), direction="maximize")
    source = journal("other", finished(7.0, **{"optimizer.lr": 0.01}))
    assert [t.value for t in read_earlier([source], SPACE, "minimize")] == [1.0, 2.0]
    assert [t.value for t in read_earlier([source + "::b"], SPACE, "minimize")] == [2.0]
    assert [t.value for t in read_earlier([source], SPACE, "maximize")] == [9.0]


def test_the_columns_of_a_csv_are_the_last_parts_of_the_keys(csv):
    complete, ended = read_earlier([csv(CSV)], SPACE, "minimize")
    assert complete.params == lr(0.01)
    assert isinstance(complete.params["model.units"], int)
    assert (complete.value, complete.intermediate_values) == (4.0, {1: 5.0, 2: 4.0})
    assert (ended.state, ended.intermediate_values) == (TrialState.PRUNED, {1: 6.0})


def test_a_full_key_wins_and_the_prefix_of_the_curves_can_be_given(csv):
    text = "lr,optimizer.lr,units,acc_0,acc_1\n0.1,0.01,8,0.5,0.7\n"
    (trial,) = read_earlier([csv(text) + "::acc_"], SPACE, "maximize")
    assert trial.params == lr(0.01)
    assert trial.value == 0.7


def test_numbers_of_a_csv_stand_for_choices(csv):
    space = {"normalise": CategoricalDistribution([False, True]), "depth": IntDistribution(1, 4)}
    text = "normalise,depth,loss_0,loss_1\n1,3,5,4\n"
    (trial,) = read_earlier([csv(text)], space, "minimize")
    assert trial.params == {"normalise": True, "depth": 3}
    assert trial.params["normalise"] is True


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr,loss_0,loss_1\n0.1,5,4\n", "no column model.units or units"),
        ("lr,units,acc_0,acc_1\n0.1,8,5,4\n", "no columns loss_0"),
        ("lr,units,loss_0,loss_1\n5,8,5,4\n", "no finished trial lies in the search space"),
    ],
)
def test_a_csv_that_does_not_fit_is_named_with_the_reason(csv, text, message):
    with pytest.raises(ValueError, match=f"earlier_studies: .*curves.csv: .*{message}"):
        read_earlier([csv(text)], SPACE, "minimize")


def test_a_study_that_does_not_fit_is_named_with_the_reason(journal, tmp_path):
    source = journal("old", finished(3.0, **{"optimizer.lr": 0.01}))
    with pytest.raises(ValueError, match=r"journal.log: study 'old': .* the key model.units"):
        read_earlier([source], SPACE, "minimize")
    with pytest.raises(ValueError, match="study 'old': its direction is minimize, not maximize"):
        read_earlier([source], SPACE, "maximize")
    with pytest.raises(ValueError, match="study=new: the storage has old"):
        read_earlier([source + "::new"], SPACE, "minimize")
    with pytest.raises(ValueError, match=r"earlier_studies: .*nowhere: .*no such journal file"):
        read_earlier([str(tmp_path / "nowhere")], SPACE, "minimize")
    with pytest.raises(ValueError, match="no search space"):
        read_earlier([source], {}, "minimize")
    assert not (tmp_path / "nowhere").exists()
