import json

import optuna
import pytest
from optuna.samplers import CmaEsSampler, GPSampler, NSGAIIISampler, NSGAIISampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

import hpo
from commons.console import Console
from commons.rungs import sign
from hpo.attributes import BEST, FAIL_REASON, REPORTED
from hpo.report import write_report
from hpo.reporting.one_trial import facts_of
from hpo.reporting.pulse import Pulse
from hpo.reporting.subject import read_subject
from hpo.reporting.table import study_table
from hpo.search.diverse import DiverseSampler
from hpo.search.objectives import for_pruner, load, set_goals
from hpo.search.pausing import Decision, decide
from hpo.search.promotion import PromotionPruner
from hpo.settings import SettingError

GOALS = {"names": ["loss", "size"], "constraints": {"gb": "<= 3"}}
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def objective(trial):
    x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
    for epoch in range(1, 10):
        trial.report(x * x + y + 1 / epoch, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    trial.note_figures({"gb": 4 * x})
    return [x * x + y, (x - 1) ** 2 + y]


@pytest.fixture
def search(tmp_path):
    def run(function=objective, n_trials=20, **options):
        chosen = {"direction": ["minimize"] * 2, "goals": GOALS, "pruner": hpo.AshaPruner()}
        place = {"storage": tmp_path / "s.log", "folder": tmp_path}
        return hpo.optimize(
            function, study_name="s", n_trials=n_trials, **place, **chosen | options
        )

    return run


SAMPLERS = {
    "tpe": lambda: TPESampler(seed=1, multivariate=True, constant_liar=True, n_startup_trials=4),
    "diverse": lambda: DiverseSampler(TPESampler, seed=1),
    "nsgaii": lambda: NSGAIISampler(seed=1, population_size=4),
    "nsgaiii": lambda: NSGAIIISampler(seed=1, population_size=4),
}


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=[*SAMPLERS])
def test_samplers_of_several_objectives_go_on_after_pruned_and_infeasible_trials(search, sampler):
    study = search(sampler=sampler(), enqueue=[{"x": 0.9, "y": 0.0}])
    states = [trial.state for trial in study.trials]
    assert len(states) == 20
    assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED}
    assert study.trials[0].constraints == {"gb": pytest.approx(0.6)}
    assert study.metric_names == ["loss", "size"]


def test_a_gaussian_process_takes_several_objectives(search):
    pytest.importorskip("torch")
    study = search(sampler=GPSampler(seed=1, n_startup_trials=3), n_trials=6, pruner=None)
    assert [len(trial.values) for trial in study.trials] == [2] * 6


def test_the_report_has_the_front_without_infeasible_trials(search, tmp_path):
    study = search(sampler=TPESampler(seed=1), pruner=None, n_trials=12)
    report = write_report(hpo.open_storage(tmp_path / "s.log", tmp_path), "s", tmp_path)
    feasible = [t for t in study.trials if t.constraints["gb"] <= 0]
    beaten = {
        t.number
        for t in feasible
        if any(
            all(b <= a for a, b in zip(t.values, o.values, strict=True))
            for o in feasible
            if o is not t
        )
    }
    front = {t.number for t in feasible} - beaten
    assert set(report.subject.summary.front) == front
    assert report.subject.summary.best.number == min(feasible, key=lambda t: t.values[0]).number
    rows = (tmp_path / "front.csv").read_text().splitlines()
    assert rows[0] == "number,loss,size,params.x,params.y,figures.gb"
    assert {int(row.partition(",")[0]) for row in rows[1:]} == front
    assert (tmp_path / "front.png").read_bytes()[:4] == b"\x89PNG"


def test_without_an_objective_that_prunes_none_is_pruned(search):
    study = search(goals={**GOALS, "prune_by": None}, n_trials=8)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


def test_a_policy_that_pauses_works_on_the_reported_objective(search):
    study = search(pruner=PromotionPruner(max_resource=9), n_trials=12)
    assert any(trial.state == TrialState.COMPLETE for trial in study.trials)
    assert {t.state for t in study.trials} == {TrialState.COMPLETE, TrialState.PRUNED}


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (1.0, "the task returned 1.0, not a list of 2 numbers"),
        ([1.0], "the task returned [1.0], not a list of 2 numbers"),
        ("12", "the task returned '12', not a list of 2 numbers"),
        ([1.0, True], "the task returned [1.0, True], not a list of 2 numbers"),
    ],
)
def test_what_is_no_list_of_numbers_fails_its_trial(search, returned, told):
    study = search(lambda _: returned, n_trials=1, goals=None)
    assert study.trials[0].user_attrs[FAIL_REASON] == told


def test_a_value_that_is_not_finite_prunes_as_diverged(search):
    study = search(lambda _: [1.0, float("nan")], n_trials=1, goals=None)
    assert study.trials[0].state == TrialState.PRUNED
    assert study.trials[0].user_attrs["diverged"] == "end"


def test_a_figure_that_a_constraint_needs_and_nobody_reports_fails_the_trial(search):
    study = search(lambda _: [1.0, 2.0], n_trials=1)
    assert "no figure 'gb' was reported" in study.trials[0].user_attrs[FAIL_REASON]


def test_a_pruner_sees_the_objective_that_is_reported():
    made = optuna.create_study(directions=["minimize", "maximize"])
    study = load(made.study_name, made._storage, None, optuna.pruners.MedianPruner(0, 0), 1)
    for value in (1.0, 2.0):
        trial = study.ask()
        study._storage.set_trial_intermediate_value(trial._trial_id, 1, value)
        study.tell(trial, [0.0, value])
    seen = for_pruner(study)
    assert seen.direction == StudyDirection.MAXIMIZE
    assert sign(seen) == sign(study) == -1
    assert [trial.value for trial in seen.get_trials()] == [1.0, 2.0]
    trial = study.ask()
    study._storage.set_trial_intermediate_value(trial._trial_id, 1, 0.5)
    assert decide(study, study.get_trials()[-1]) == Decision.PRUNE


def test_a_study_of_one_objective_is_loaded_as_it_is():
    made = optuna.create_study(direction="maximize")
    study = load(made.study_name, made._storage, None, None)
    assert type(study) is optuna.Study
    assert for_pruner(study) is study


def test_other_names_than_those_of_the_study_are_refused():
    study = optuna.create_study(directions=["minimize"] * 2)
    set_goals(study, ["a", "b"], [1.0, 0.0])
    set_goals(study, ["a", "b"], [0.0, 1.0])
    set_goals(study, None, [0.0, 1.0])
    assert study.user_attrs[BEST] == [0.0, 1.0]  # the last command decides
    with pytest.raises(SettingError) as refused:
        set_goals(study, ["a", "c"], [1.0, 0.0])
    assert "has the objectives a, b, got a, c" in str(refused.value)


def test_one_objective_is_named_and_keeps_another_name_that_it_has():
    study = optuna.create_study()
    set_goals(study, None, [1.0])
    assert study.metric_names is None
    for name in ("loss", "other"):
        set_goals(study, [name], [1.0])
        assert study.metric_names == ["loss"]
    assert BEST not in study.user_attrs


@pytest.mark.parametrize(
    ("rule", "number", "told"),
    [
        ("first", 0, "loss"),
        ("size", 3, "size"),
        # Scaled to the front: 0 + 1, .18 + .44, .51 + .18, 1 + 0.
        ({"loss": 1, "size": 1}, 1, "1 loss + 1 size, each scaled to 0..1 on the front"),
        ({"loss": 1, "size": 2}, 2, "1 loss + 2 size, each scaled to 0..1 on the front"),
    ],
)
def test_the_rule_of_the_best_holds_in_table_summary_page_and_notebook(
    search, tmp_path, rule, number, told
):
    points = [{"x": x, "y": 0.0} for x in (0.0, 0.3, 0.5, 0.7, 0.9)]  # the last is infeasible
    search(pruner=None, n_trials=5, enqueue=points, goals={**GOALS, "best": rule})
    report = write_report(hpo.open_storage(tmp_path / "s.log", tmp_path), "s", tmp_path)
    summary = report.subject.summary
    assert summary.front == (0, 1, 2, 3)
    assert (summary.best.number, summary.best.rule) == (number, told)
    assert json.loads((tmp_path / "summary.json").read_text())["best"]["rule"] == told
    loaded = hpo.load(tmp_path / "s.log")
    assert loaded.best_trial.number == number
    assert loaded.best_params == points[number]
    assert loaded.frame().front.tolist() == [True] * 4 + [False]
    assert loaded.frame().feasible.tolist() == [True] * 4 + [False]
    page = (tmp_path / "report.html").read_text()
    assert f"Trial {number} is the best by {told}." in page
    assert f"by trial {number}." in page.partition("</p>")[0]
    table = Console(width=200, record=True)
    table.print(study_table(summary))
    printed = table.export_text()
    assert f"(trial {number})" in printed
    assert told in printed


def test_a_sampler_of_one_objective_is_refused_before_the_study_is_made(toy, tmp_path):
    pytest.importorskip("cmaes")
    two = "hydra.sweeper.direction=[minimize,minimize]"
    code, printed = toy("-m", two, "hydra/sweeper/sampler=cmaes", "+y=interval(0,1)")
    assert code == 2
    assert "hydra.sweeper.sampler" in printed
    assert CmaEsSampler.__name__ in printed
    assert not (tmp_path / "sweep").exists()


def test_the_reported_objective_of_a_study_is_stored_and_stays():
    study = optuna.create_study(directions=["minimize", "maximize"])
    set_goals(study, ["ms", "accuracy"], [1.0, 0.0], 1)
    assert study.user_attrs[REPORTED] == 1
    with pytest.raises(SettingError) as refused:
        set_goals(study, ["ms", "accuracy"], [1.0, 0.0], 0)
    assert "prune_by: study" in str(refused.value)
    assert "reports accuracy, this command ms; use the same" in str(refused.value)
    assert study.user_attrs[REPORTED] == 1


def test_another_rule_of_the_best_is_told_from_the_same_one():
    study = optuna.create_study(directions=["minimize"] * 2)
    rules = ([1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0])
    assert [set_goals(study, None, rule) for rule in rules] == [False, True, False, True]
    assert set_goals(optuna.create_study(), None, [1.0]) is False


def by_accuracy(trial):
    """Larger networks are better and slower; the default, trial 0, is pruned at once."""
    width = trial.suggest_float("width", 0, 1)
    for epoch in range(1, 10):
        trial.report(width * epoch / 9, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return [5 + width, width]


def test_what_is_reported_is_shown_by_the_objective_that_prunes(search, tmp_path):
    goals = {"names": ["inference_time_ms", "accuracy"], "prune_by": "accuracy"}
    search(
        by_accuracy,
        direction=["minimize", "maximize"],
        goals=goals,
        n_trials=3,
        enqueue=[{"width": 0.9}, {"width": 0.99}, {"width": 0.09}],
    )
    loaded = hpo.load(tmp_path / "s.log")
    frame = loaded.frame()
    assert frame.state.tolist() == ["complete", "complete", "pruned"]
    assert frame.accuracy.tolist() == pytest.approx([0.9, 0.99, 0.02])
    assert frame.inference_time_ms.isna().tolist() == [False, False, True]
    subject = read_subject(loaded._storage, loaded._study_id)
    assert (subject.metric, subject.sign) == ("accuracy", -1)
    assert [trial.number for trial in subject.begun] == [2, 0, 1]
    moment = Pulse(loaded._storage, loaded._study_id).look()
    assert moment.reported == "accuracy"
    assert [rung.best for rung in moment.rungs] == [pytest.approx(0.22)]
    facts = facts_of(subject, loaded.trials[1], tmp_path)
    told = "5.99, 0.99 (rank 1 of 2 complete trials by accuracy)"
    assert facts["inference_time_ms, accuracy"] == told
