import logging
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from commons.optuna_internals import storage_of, trial_id
from hpo.attributes import ADDED, FIGURES, RUN, added_from
from hpo.goals import Goals
from hpo.search.space import Space, parse_space
from hpo.settings import SettingError
from hpo.study.added import Wanted, read_added
from hpo.study.portions import study_lock
from hpo.study.study import SweepSpec, open_study

CHOICES = CategoricalDistribution(["adam", "1", 1, True, None, 0.5, "[1,2]"])
SPACE = Space(
    {
        "+optimizer.lr": FloatDistribution(1e-4, 1e-1, log=True),
        "units": IntDistribution(8, 64, step=8),
        "c": CHOICES,
    },
    ("epochs=3",),
    {"c": frozenset({"[1,2]"})},
)


def wanted(directions=("minimize",), **goals):
    return Wanted(SPACE, directions, Goals(**goals))


def params(lr=0.01, units=16, c="adam"):
    return {"+optimizer.lr": lr, "units": units, "c": c}


def finished(value, state=TrialState.COMPLETE, steps=None, **own):
    return create_trial(
        state=state,
        value=value if state == TrialState.COMPLETE else None,
        params=params(**own),
        distributions=SPACE.distributions,
        intermediate_values=steps or {},
    )


@pytest.fixture
def table(tmp_path):
    """Writes a CSV file."""

    def make(*lines):
        (tmp_path / "old.csv").write_text("\n".join(["lr,units,c,value", *lines]))
        return str(tmp_path / "old.csv")

    return make


def test_cells_stand_for_numbers_and_choices_as_our_own_tables_write_them(table):
    cells = ["adam", "1", "True", "true", "", "None", "0.5", "0.50", '"[1,2]"', " adam "]
    trials = read_added([table(*(f"0.01,16.0,{c},{n}" for n, c in enumerate(cells)))], wanted())
    found = [trial.params["c"] for trial in trials]
    expected = ["adam", "1", True, True, None, None, 0.5, 0.5, "[1,2]", "adam"]
    assert [(type(c), c) for c in found] == [(type(c), c) for c in expected]
    assert (trials[0].params["units"], type(trials[0].params["units"])) == (16, int)
    assert trials[0].user_attrs[RUN]["overrides"] == [
        "epochs=3",
        "+optimizer.lr=0.01",
        "units=16",
        "c=adam",
    ]
    assert trials[8].user_attrs[RUN]["overrides"][-1] == "c=[1,2]"
    assert trials[0].distributions == SPACE.distributions


def test_what_does_not_fit_is_left_out_and_told_by_reason(table, caplog):
    lines = ["0.01,16,adam,1", "0.01,17,adam,2", "1,16,adam,3", "0.01,16,sgd,4", "0.01,,adam,5"]
    with caplog.at_level(logging.INFO):
        (trial,) = read_added([table(*lines, "0.01,16,adam,inf")], wanted())
    assert trial.value == 1.0
    told = (
        f"1 finished trials of {added_from(trial)} to begin with; left out: 3 outside of the "
        "search space, 1 without all searched keys, 1 without a finite value"
    )
    assert caplog.messages == [told]


def test_of_a_study_complete_pruned_and_diverged_trials_count(tmp_path, caplog):
    url = f"sqlite:///{tmp_path}/old.db"
    study = optuna.create_study(storage=url, study_name="old")
    pruned = finished(None, TrialState.PRUNED, {1: 5.0, 3: 4.0})
    diverged = finished(None, TrialState.PRUNED, units=24)
    diverged.user_attrs = {"diverged": 1}
    best = finished(2.0, steps={1: 3.0, 3: 2.0}, c="[1,2]")
    best.user_attrs = {FIGURES: {"gb": 1.0}, "seconds": 7.0, "enqueued": "default"}
    study.add_trials([best, pruned, diverged, finished(None, TrialState.PRUNED, units=32)])
    study.add_trial(finished(None, TrialState.FAIL))
    study.enqueue_trial({})
    study.ask()
    with caplog.at_level(logging.INFO):
        trials = read_added([url], wanted())
    assert "left out: 1 without a value, 1 failed, 1 not finished" in caplog.text
    assert [trial.state.name for trial in trials] == ["COMPLETE", "PRUNED", "PRUNED"]
    assert trials[1].intermediate_values == {1: 5.0, 3: 4.0}
    assert trials[0].params == params(c="[1,2]")
    assert trials[0].user_attrs.keys() == {ADDED, RUN, FIGURES}
    assert trials[2].user_attrs["diverged"] == 1
    assert {added_from(trial) for trial in trials} == {f"{url}::old"}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_other_keys_and_other_objectives_are_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/old.db"
    study = optuna.create_study(storage=url, study_name="old", directions=["minimize"] * 2)
    study.set_metric_names(["ms", "loss"])
    more = {**SPACE.distributions, "z": FloatDistribution(0, 1)}
    values = {**params(), "z": 0.5}
    study.add_trial(create_trial(values=[1, 2], params=values, distributions=more))
    two = ("minimize", "minimize")
    with pytest.raises(SettingError, match="its objectives are ms, loss, not loss, ms"):
        read_added([url], wanted(two, names=("loss", "ms")))
    with pytest.raises(SettingError, match="1 with other keys than those searched"):
        read_added([url], wanted(two, names=("ms", "loss")))


def test_a_table_has_a_column_for_each_objective(tmp_path):
    (tmp_path / "old.csv").write_text("lr,units,c,value_0,value_1\n0.01,16,adam,1,2\n")
    two = wanted(("minimize", "maximize"))
    (trial,) = read_added([str(tmp_path / "old.csv")], two)
    assert trial.values == [1.0, 2.0]
    with pytest.raises(SettingError, match="its values must be in columns value_0, value_1"):
        read_added([f"{tmp_path}/old.csv::loss"], two)


@pytest.mark.parametrize("column", ["params.+optimizer.lr", "params.optimizer.lr", "lr"])
def test_a_key_that_is_added_to_the_configuration_has_its_column_with_or_without_plus(
    tmp_path, column
):
    (tmp_path / "old.csv").write_text(f"{column},params.units,params.c,value\n0.01,16,adam,1\n")
    (trial,) = read_added([str(tmp_path / "old.csv")], wanted())
    assert trial.params == params()


def test_a_key_without_plus_has_its_column_with_one(tmp_path):
    (tmp_path / "old.csv").write_text("lr,params.+units,c,value\n0.01,16,adam,1\n")
    (trial,) = read_added([str(tmp_path / "old.csv")], wanted())
    assert trial.params == params()


def test_a_key_that_is_not_searched_leaves_out_the_lines_that_have_it(table, caplog):
    source = table("0.01,16,adam,1", "0.02,16,adam,2")
    text = Path(source).read_text().replace("value", "value,params.z,other").splitlines()
    Path(source).write_text("\n".join([text[0], f"{text[1]},7,7", f"{text[2]},,7"]))
    with caplog.at_level(logging.INFO):
        (trial,) = read_added([source], wanted())
    assert trial.value == 2.0
    assert "left out: 1 with other keys than those searched" in caplog.text


def test_a_number_does_not_stand_for_a_choice_of_true_or_false(table):
    space = Space({**SPACE.distributions, "c": CategoricalDistribution([True, False, 2])})
    lines = "0.01,16,1,1", "0.01,16,0,2", "0.01,16,2,3", "0.01,16,true,4"
    trials = read_added([table(*lines)], Wanted(space, ("minimize",), Goals()))
    assert [(trial.params["c"], trial.value) for trial in trials] == [(2, 3.0), (True, 4.0)]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_a_pruned_trial_of_several_objectives_is_added_with_its_curve(kind, storages, tmp_path):
    two = ["minimize", "minimize"]
    url = f"sqlite:///{tmp_path}/old.db"
    source = optuna.create_study(storage=url, study_name="old", directions=two)
    space = parse_space({"x": "interval(0, 1)"}, [])
    trials = [source.ask(dict(space.distributions)) for _ in range(2)]
    source.tell(trials[0], [1.0, 2.0])
    storage, pruned = storage_of(source), trial_id(source.trials[1])
    # As a worker of ours ends it:
    storage.set_trial_intermediate_value(pruned, 3, 5.0)
    storage.set_trial_state_values(pruned, TrialState.PRUNED, [5.0])
    read = read_added([url], Wanted(space, two, Goals()))
    spec = SweepSpec(
        study_name="new",
        storage=None,
        sweep_dir=tmp_path / "new",
        sampler=None,
        pruner=None,
        direction=two,
        n_trials=3,
        space=space,
        add=[url],
        to_add=tuple(read),
    )
    with study_lock(spec.sweep_dir) as lock:
        study = open_study(spec, storages(kind), lock)
    there = [t for t in study.trials if added_from(t)]
    assert [(t.state.name, t.values) for t in there] == [
        ("COMPLETE", [1.0, 2.0]),
        ("PRUNED", None),
    ]
    assert there[1].intermediate_values == {3: 5.0}
    assert len(study.trials) == 5
