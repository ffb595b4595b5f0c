"""Sweeps of the toy application that begin with finished trials: `hydra.sweeper.add`."""

import csv
import json

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from hpo.attributes import ADDED, N_TRIALS, added_from
from hpo.storage.opening import open_storage

TABLE = "x,value,state\n0.5,0.6,complete\n-0.25,0.4,\n0.75,2.5,pruned\n4,0.1,complete\n0.1,,\n"
ADD = "hydra.sweeper.add=[old.csv]"


@pytest.fixture
def table(tmp_path):
    """Two trials that fit, and one each that is not complete, outside and without a value."""
    (tmp_path / "old.csv").write_text(TABLE)
    return str(tmp_path / "old.csv")


@pytest.fixture(scope="module")
def earlier(toy_in, tmp_path_factory):
    """Two finished sweeps, `a` and `b`; the second one has added the first."""
    folder = tmp_path_factory.mktemp("earlier")
    with toy_in(folder) as run:
        run("-m", "hydra.sweep.dir=a")
        run("-m", "hydra.sweep.dir=b", "hydra.sweeper.add=[a]", "hydra.sweeper.sampler.seed=2")
    return folder


def packed(text):
    """Return a text of a table without its frame and where its lines break."""
    return "".join(text.replace("│", " ").split())


def own(study):
    return [trial for trial in study.trials if added_from(trial) is None]


def added(study):
    return [trial for trial in study.trials if added_from(trial) is not None]


def test_trials_of_a_table_come_first_and_do_not_count(toy, study, tmp_path, table):
    code, printed = toy("-m", ADD, "hydra.sweeper.enqueue=[default]")
    assert code == 0
    told = (
        f"2 finished trials of {table} to begin with; left out: 1 not complete, "
        "1 outside of the search space, 1 without a finite value"
    )
    assert told in printed
    trials = study().trials
    assert [(t.params["x"], t.value, added_from(t)) for t in trials[:2]] == [
        (0.5, 0.6, table),
        (-0.25, 0.4, table),
    ]
    assert [t.number for t in own(study())] == [2, 3, 4, 5]
    assert trials[2].params == {"x": 0.0}  # the default is the first of its own
    assert study().user_attrs[N_TRIALS] == 6
    assert sorted(p.name for p in (tmp_path / "sweep/trials").iterdir()) == [
        "0002",
        "0003",
        "0004",
        "0005",
    ]
    summary = json.loads((tmp_path / "sweep/summary.json").read_text())
    assert (summary["n_trials"]["complete"], summary["n_trials"]["total"]) == (4, 4)
    assert (summary["n_added"], summary["epochs"]["run"]) == (2, 12)
    counts = "4 of 4 finished: 4 complete, 0 pruned, 0 failed; 0 running, 0 waiting; 2 added"
    assert packed(counts) in packed(printed)
    assert "study 'toy' is finished (4 trials)" in toy("-m", ADD)[1]


def test_the_report_says_which_trials_were_added(toy, tmp_path, table):
    (tmp_path / "old.csv").write_text("x,value\n0.01,-7\n0.5,0.6\n")
    code, printed = toy("-m", ADD)
    assert code == 0
    assert packed(f"-7 (trial 0, added from {table})") in packed(printed)
    with (tmp_path / "sweep/trials.csv").open() as file:
        rows = [*csv.DictReader(file)]
    assert [row["reason"] for row in rows] == [f"added from {table}"] * 2 + [""] * 4
    assert [row["folder"] for row in rows[:2]] == ["", ""]
    assert [row["seconds"] for row in rows[:2]] == ["", ""]
    best = (tmp_path / "sweep/best.yaml").read_text()
    assert best.startswith(f"# Trial 0 of study toy: -7, added from {table}.\n")
    assert "x: 0.01\n" in best
    ledger = (tmp_path / "sweep/ledger.csv").read_text().splitlines()
    numbers = [line.split(",")[1] for line in ledger if line.startswith("trial,")]
    assert numbers == ["2", "3", "4", "5"]


def test_the_sampler_learns_from_them(toy, study, tmp_path):
    lines = [f"{x / 50 - 1},{abs(x / 50 - 1 - 0.6)}" for x in range(101)]  # best near .6
    (tmp_path / "old.csv").write_text("\n".join(["x,value", *lines]))
    tpe = "hydra/sweeper/sampler=tpe", "hydra.sweeper.sampler.seed=1"
    toy("-m", ADD, *tpe, "hydra/sweeper/pruner=none")
    toy("-m", *tpe, "hydra/sweeper/pruner=none", "hydra.sweep.dir=alone")
    far, near = (
        [abs(t.params["x"] - 0.6) for t in own(study(folder=f))] for f in ("alone", "sweep")
    )
    assert max(near) < 0.1 < max(far)


def test_a_sweep_that_is_resumed_adds_nothing_and_needs_no_source(toy, study, tmp_path, table):
    toy("-m", ADD, "hydra.sweeper.n_trials=2")
    (tmp_path / "old.csv").unlink()
    assert toy("-m", ADD, "hydra.sweeper.n_trials=3")[0] == 0
    assert toy("-m", "hydra.sweeper.n_trials=4")[0] == 0
    assert len(added(study())) == 2
    assert [t.state for t in own(study())] == [TrialState.COMPLETE] * 4
    (tmp_path / "new.csv").write_text(TABLE)
    code, printed = toy("-m", "hydra.sweeper.add=[old.csv,new.csv]", "hydra.sweeper.n_trials=5")
    assert code == 2
    assert printed.count("\n") == 1
    told = "hydra.sweeper.add: study 'toy' has begun without {}; leave it out, or begin anew with "
    assert told.format(tmp_path / "new.csv") in printed
    assert len(study().trials) == 6


def test_trials_that_a_killed_command_has_left_out_are_added_by_the_next(toy, study, table):
    storage = open_storage("sweep/journal.log", ".")
    space = {"x": FloatDistribution(-1, 1)}
    first = optuna.create_study(study_name="toy", storage=storage)
    first.add_trial(
        create_trial(value=0.6, params={"x": 0.5}, distributions=space, user_attrs={ADDED: table})
    )
    assert toy("-m", ADD)[0] == 0
    assert [t.params["x"] for t in added(study())] == [0.5, -0.25]
    assert len(own(study())) == 4


def test_two_commands_at_once_add_once(shell, study, table):
    sweeps = [shell("toy/toy.py", "-m", ADD, "hydra.sweeper.n_trials=6") for _ in range(2)]
    ends = [sweep.end() for sweep in sweeps]
    assert [code for code, _ in ends] == [0, 0], ends
    assert len(added(study())) == 2
    assert [t.state for t in own(study())] == [TrialState.COMPLETE] * 6


def test_another_study_is_a_source_with_its_curves_and_pruned_trials(toy, study, tmp_path):
    published = "hydra.sweeper.pruner.min_resource=1", "hydra.sweeper.pruner.ranking=last"
    asha = "hydra/sweeper/pruner=asha", *published, "hydra.sweeper.n_trials=12"
    toy("-m", *asha, "hydra.sweep.dir=first", "hydra.sweeper.enqueue=[{x: 0.01},{x: 0.9}]")
    code, printed = toy("-m", "hydra.sweeper.add=[first]", *asha, "hydra.sweeper.sampler.seed=2")
    assert code == 0
    assert "no trial is complete: " in printed  # the trials of the first sweep are better
    assert "; the best trial was added" in printed
    before, there = study(folder="first").trials, added(study())
    assert len(there) == len(before) == 12
    assert f"12 finished trials of {tmp_path}/first to begin with\n" in printed
    for old, new in zip(before, there, strict=True):
        assert (new.state, new.values, new.params) == (old.state, old.values, old.params)
        assert new.intermediate_values == old.intermediate_values
    assert {t.state for t in there} == {TrialState.COMPLETE, TrialState.PRUNED}
    # Rungs have their values: a new trial goes on where it is among the best third of both sweeps.
    at_rung = [t.intermediate_values[1] for t in there]
    new = own(study())
    for trial in new:
        n_better = sum(value < trial.intermediate_values[1] for value in at_rung)
        earlier = [t for t in new if t.number < trial.number]
        n_better += sum(t.intermediate_values[1] < trial.intermediate_values[1] for t in earlier)
        goes_on = n_better < (len(at_rung) + len(earlier) + 1) // 3
        assert (trial.last_step > 1) == goes_on
    rungs = json.loads((tmp_path / "sweep/summary.json").read_text())["epochs"]["run"]
    assert rungs == sum(trial.last_step for trial in new)


def test_a_third_sweep_adds_both_earlier_ones_and_each_trial_once(toy, study, earlier):
    a, b = earlier / "a", earlier / "b"
    toy("-m", f"hydra.sweeper.add=[{a},{b},{a}]", "hydra.sweeper.sampler.seed=3")
    assert len(added(study())) == 8
    assert len({t.params["x"] for t in added(study())}) == 8


def test_the_same_command_works_again_if_one_source_has_only_copies(toy, study, earlier):
    command = "-m", f"hydra.sweeper.add=[{earlier}/b,{earlier}/a]"
    assert toy(*command, "hydra.sweeper.n_trials=2")[0] == 0
    assert {added_from(t) for t in added(study())} == {f"{earlier}/b"}
    code, printed = toy(*command, "hydra.sweeper.n_trials=3")
    assert code == 0, printed
    assert (len(added(study())), len(own(study()))) == (8, 3)


def test_a_study_of_a_database_into_a_database(toy, tmp_path):
    old, new = (f"sqlite:///{tmp_path}/{name}.db" for name in ("old", "new"))
    toy("-m", f"hydra.sweeper.storage={old}", "hydra.sweep.dir=a")
    arguments = "-m", f"hydra.sweeper.storage={new}", f"hydra.sweeper.add=['{old}']"
    assert toy(*arguments, "hydra.sweeper.n_trials=3")[0] == 0
    assert toy(*arguments)[0] == 0
    study = optuna.load_study(study_name="toy", storage=new)
    assert [added_from(t) for t in study.trials] == [f"{old}::toy"] * 4 + [None] * 4
    assert {t.state for t in study.trials} == {TrialState.COMPLETE}


def test_a_sweep_begins_anew_and_learns_from_what_it_puts_aside(toy, study, tmp_path):
    toy("-m")
    before = study().trials
    code, _ = toy("-m", "hydra.sweeper.restart=toy", "hydra.sweeper.add=[sweep]")
    assert code == 0
    assert [t.params for t in added(study())] == [t.params for t in before]
    assert len(own(study())) == 4
    assert len(study(folder="sweep.1").trials) == 4


def test_budgets_and_failures_do_not_count_them(toy, study, tmp_path):
    toy("-m", "hydra.sweep.dir=first", "hydra.sweeper.enqueue=[{x: 0.0}]")
    limits = "target: 0.34", "epochs: 9", "patience_trials: 3"
    for number, limit in enumerate(limits):
        folder = f"hydra.sweep.dir=s{number}"
        budget = f"hydra.sweeper.budget={{{limit}}}"
        code, printed = toy(
            "-m", "hydra.sweeper.add=[first]", folder, budget, "hydra.sweeper.sampler.seed=5"
        )
        assert code == 0
        trials = own(study(folder=f"s{number}"))
        assert sum(len(trial.intermediate_values) for trial in trials) == [12, 9, 12][number]
    share = "hydra.sweeper.max_failure_rate=0.25"  # one of four
    code, printed = toy("-m", "hydra.sweeper.add=[first]", share, "raises=[4,5]")
    assert code == 1
    assert "failed trials: 2, more than hydra.sweeper.max_failure_rate=0.25" in printed


def test_a_sweep_whose_own_trials_all_fail_has_no_result(toy, table):
    share = "hydra.sweeper.max_failure_rate=1"
    code, printed = toy("-m", ADD, share, "raises=[2,3,4,5]")
    assert code == 1
    assert "no trial is complete: 4 failed: RuntimeError: no luck" in printed


def test_several_objectives_are_columns_by_their_names(toy, study, tmp_path):
    two = (
        "-m",
        ADD,
        "hydra.sweeper.direction=[minimize,minimize]",
        "hydra.sweeper.goals={names: [loss, ms], constraints: {gb: '<= 4'}}",
        "hydra.sweeper.max_failure_rate=1",
    )
    (tmp_path / "old.csv").write_text(
        "params.x,loss,ms,figures.gb\n0.5,0.6,7,3\n0.2,0.3,9,5\n0.1,0.2,4,\n"
    )
    code, printed = toy(*two, "hydra.sweeper.enqueue=[default]")
    assert code == 1  # the toy returns one number
    assert "left out: 1 without the figure gb" in printed
    assert [(t.values, t.constraints) for t in added(study())] == [
        ([0.6, 7.0], {"gb": -1.0}),
        ([0.3, 9.0], {"gb": 1.0}),
    ]
    assert own(study())[0].params == {"x": 0.0}
    front = (tmp_path / "sweep/front.csv").read_text()
    assert front == "number,loss,ms,params.x,figures.gb\n0,0.6,7.0,0.5,3.0\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x,loss\n1,2\n", "old.csv: no column value with the objective; another one: {}::COLUMN"),
        ("y,value\n1,2\n", "{}: no column x"),
        ("x,value\none,2\n", "{}, line 2, column x: 'one' is not a number"),
        ("x,value\n1,two\n", "{}, line 2, column value: 'two' is not a number"),
        ("x,value\n1,nan\n", "{}: none of its trials can be added: 1 without a finite value"),
        ("x,value\n3,1\n", "{}: none of its trials can be added: 1 outside of the search space"),
        ("x,x,value\n1,1,1\n", "{}: two columns are named 'x'"),
        ("", "{}: no line of data below a header"),
        ("x,value\n", "{}: no line of data below a header"),
        (
            "params.x,params.z,value\n1,1,1\n",
            "{}: none of its trials can be added: 1 with other keys than those searched",
        ),
        ("x,value\n,1\n", "{}: none of its trials can be added: 1 without all searched keys"),
    ],
)
def test_a_table_that_does_not_fit_is_one_line_before_the_study_is_made(toy, tmp_path, text, told):
    (tmp_path / "old.csv").write_text(text)
    code, printed = toy("-m", ADD)
    assert code == 2
    assert printed.count("\n") == 1
    assert f"hydra.sweeper.add: {tmp_path}/old.csv" in printed
    assert told.format(tmp_path / "old.csv") in printed
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["hydra.sweeper.add=[default]"], "default: storage="),
        (["hydra.sweeper.add=[none.csv]"], "none.csv: No such file or directory"),
        (["hydra.sweeper.add=[first::other]"], "the storage has toy"),
        (
            ["hydra.sweeper.add=[{x: 1}]"],
            "hydra.sweeper.add must be a list of files, folders and URLs",
        ),
        (["hydra.sweeper.add=old.csv"], "hydra.sweeper.add must be"),
        (
            ["hydra.sweeper.add=[first]", "hydra.sweeper.direction=maximize"],
            "study 'toy': its direction is minimize, not maximize",
        ),
        (
            ["hydra.sweeper.add=[first]", "hydra.sweeper.direction=[minimize,minimize]"],
            "its direction is minimize, not minimize, minimize",
        ),
        (["hydra.sweeper.add=[first]", "+z=1,2"], "4 without all searched keys"),
        (
            [ADD, "hydra/sweeper/sampler=grid", "x=choice(0.5,-0.25)"],
            "hydra.sweeper.add: a grid visits all of its points and learns from no trial",
        ),
        (
            [
                ADD,
                "hydra.sweeper.pruner={_target_: hpo.PopulationPruner}",
            ],
            "hydra.sweeper.add: population based training goes on from checkpoints",
        ),
    ],
)
def test_a_source_that_cannot_be_used_is_one_line(toy, tmp_path, table, earlier, arguments, told):
    (tmp_path / "first").symlink_to(earlier / "a")
    code, printed = toy("-m", *arguments)
    assert code == 2
    assert told in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "sweep/journal.log").exists()


def test_a_sampler_that_visits_all_points_counts_those_that_were_added(toy, study, table):
    brute = "+hydra.sweeper.sampler={_target_: optuna.samplers.BruteForceSampler}"
    code, printed = toy("-m", ADD, brute, "x=choice(0.5,-0.25,0.0)")
    assert code == 0
    assert "the space is exhausted: 1 of 4 trials" in printed
    assert [t.params["x"] for t in own(study())] == [0.0]


def test_a_space_all_of_whose_points_were_added_has_no_trial_of_its_own(toy, study, table):
    brute = "+hydra.sweeper.sampler={_target_: optuna.samplers.BruteForceSampler}"
    for _ in range(2):
        code, printed = toy("-m", ADD, brute, "x=choice(0.5,-0.25)")
        assert code == 0
        assert "the space is exhausted: all of its points were added; the best trial" in printed
        assert "no trial is complete" not in printed
        assert [t.value for t in study().trials] == [0.6, 0.4]


def test_another_column_can_have_the_values(toy, study, tmp_path):
    (tmp_path / "old.csv").write_text("x,loss,value\n0.5,0.7,9\n")
    assert toy("-m", "hydra.sweeper.add=['old.csv::loss']")[0] == 0
    assert [t.value for t in added(study())] == [0.7]


def test_a_study_with_other_settings_is_told(toy, tmp_path):
    toy("-m", "hydra.sweep.dir=first", "epochs=5")
    printed = toy("-m", "hydra.sweeper.add=[first]", "epochs=2")[1]
    assert f"{tmp_path}/first was made with other settings: epochs was 5, is 2" in printed
