"""Plain Optuna without Hydra: processes that share a study, and what becomes of their trials."""

import json
import math
import os
import signal
import time
from collections import Counter
from functools import partial

import optuna
import pytest
from optuna.trial import TrialState

from commons.locks import FileLock
from hpo import attributes
from hpo.attributes import DIVERGED, FAIL_REASON, LEASE, PARENT, RETRIES, RUN, SECONDS
from hpo.optimize import optimize
from hpo.report import write_report
from hpo.search.freeze_thaw import FreezeThawPruner
from hpo.search.lineage import lineage, parent_of
from hpo.search.pbt import PopulationPruner
from hpo.search.promotion import PromotionPruner
from hpo.storage.opening import open_storage
from qsvr.forecasting.forecaster import Forecaster


@pytest.fixture
def study(tmp_path):
    """Reads the study that the processes share."""

    def read():
        return optuna.load_study(
            study_name="plain", storage=open_storage(tmp_path / "study.log", tmp_path)
        )

    return read


def states(study):
    return Counter(trial.state.name for trial in study.trials)


def n_epochs(folder):
    return [len(file.read_text().split()) for file in sorted(folder.glob("epochs-*"))]


def test_processes_finish_the_budget_together_each_trial_once(shell, study, tmp_path):
    commands = [shell("plain/study.py", "12", "0.01") for _ in range(3)]
    ends = [command.end() for command in commands]
    assert [code for code, _ in ends] == [0, 0, 0], ends
    assert states(study()) == {"COMPLETE": 12}
    assert n_epochs(tmp_path) == [9] * 12


def test_the_trial_of_a_killed_process_goes_on_with_its_history(
    shell, study, tmp_path, wait_until
):
    command = shell("plain/study.py", "2", "0.2")
    wait_until(lambda: n_epochs(tmp_path) and n_epochs(tmp_path)[0] >= 3)
    wait_until(lambda: len(study().trials[0].intermediate_values) >= 3)  # stored a moment later
    os.kill(command.process.pid, signal.SIGKILL)
    command.end()
    killed = study().trials[0]
    assert killed.state.name == "RUNNING"
    assert killed.system_attrs[LEASE]["pid"] == command.process.pid
    code, output = shell("plain/study.py", "2", "0").end()
    assert code == 0, output
    assert states(study()) == {"COMPLETE": 2}
    assert study().trials[0].params == killed.params
    assert study().trials[0].intermediate_values.keys() == set(range(1, 10))
    assert n_epochs(tmp_path)[0] <= 10


def test_an_interrupted_process_gives_its_trial_back(shell, study, tmp_path, wait_until):
    command = shell("plain/study.py", "1", "0.2")
    wait_until(lambda: bool(n_epochs(tmp_path)))
    command.interrupt()
    code, output = command.end()
    assert states(study()) == {"WAITING": 1}
    assert code == -signal.SIGINT
    *frames, last = output.splitlines()
    assert last.startswith("KeyboardInterrupt: study 'plain' is interrupted. Finished trials and ")
    assert last.endswith("The same call resumes the study")
    assert len(frames) <= 8  # where it was called, and no more


def test_the_caller_gets_the_interruption(tmp_path):
    def objective(trial):
        trial.report(1.0, 1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"^study 's' is interrupted\. Finished trials"):
        optimized(tmp_path, objective, n_trials=2)
    study = optimized(tmp_path, lambda trial: 1.0, n_trials=2)
    assert states(study) == {"COMPLETE": 2}
    assert study.trials[0].intermediate_values == {1: 1.0}


def test_a_function_without_a_module_is_an_objective(tmp_path):
    names = {}
    exec("def objective(trial): return 1.0", names)
    names["objective"].__module__ = None
    study = optimized(tmp_path, names["objective"], n_trials=1)
    assert states(study) == {"COMPLETE": 1}
    assert "python" in study.trials[0].user_attrs[attributes.CODE][0]


def test_the_study_is_logged_as_optuna_logs_and_can_be_silenced(tmp_path, monkeypatch):
    log, lines = optuna.logging.get_logger("optuna.hpo"), []
    monkeypatch.setattr(log, "handle", lambda record: lines.append(record.getMessage()))
    optimized(tmp_path, lambda trial: 1.0, n_trials=1)
    assert lines == []
    optuna.logging.set_verbosity(optuna.logging.INFO)
    optimized(tmp_path, lambda trial: 1.0, n_trials=2)
    (line,) = lines
    assert line.startswith("study 's': 2 of 2 finished: 2 complete, 0 pruned")


def optimized(tmp_path, objective, **options):
    settings = {"study_name": "s", "storage": tmp_path / "s.log", "folder": tmp_path}
    return optimize(objective, **{**settings, **options})


def test_an_objective_that_raises_fails_its_trial_and_the_work_goes_on(tmp_path):
    def objective(trial):
        if trial.number == 1:
            raise RuntimeError("no luck")
        return trial.suggest_float("x", 0, 1)

    study = optimized(tmp_path, objective, n_trials=3)
    assert states(study) == {"COMPLETE": 2, "FAIL": 1}
    assert study.trials[1].user_attrs["fail_reason"] == "RuntimeError: no luck"


def test_a_finished_study_is_left_alone_and_a_larger_budget_continues_it(tmp_path):
    for n_trials, expected in ((2, 2), (2, 2), (3, 3)):
        study = optimized(tmp_path, lambda t: t.suggest_float("x", 0, 1), n_trials=n_trials)
        assert states(study) == {"COMPLETE": expected}


def test_a_process_that_would_change_nothing_in_a_study_does_not_wait_for_its_lock(
    tmp_path, monkeypatch
):
    def waited(*_):
        raise TimeoutError

    def run(**options):
        return optimized(tmp_path, lambda t: t.suggest_float("x", 0, 1), **options)

    run(n_trials=2)
    monkeypatch.setattr(FileLock, "unless", waited)
    before = (tmp_path / "s.log").read_bytes()
    for n_trials in (2, 1):
        assert states(run(n_trials=n_trials)) == {"COMPLETE": 2}
    added = (tmp_path / "s.log").read_bytes()[len(before) :].splitlines()
    assert all(b"hpo:worker:" in line for line in added)
    for change in (
        *({"n_trials": 3}, {"lease_s": 5.0}, {"direction": "maximize"}, {"study_name": "t"}),
        *({"enqueue": [{"x": 0.5}]}, {"goals": {"names": ["loss"]}}),
    ):
        with pytest.raises(TimeoutError):
            run(**{"n_trials": 2, **change})


def test_paused_trials_are_promoted_in_plain_optuna(tmp_path):
    begun: dict[int, int] = {}

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        for step in range(begun.get(trial.number, 0) + 1, 10):
            begun[trial.number] = step
            trial.report(x + 1 / step, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return x

    sampler = optuna.samplers.RandomSampler(seed=1)
    study = optimized(
        tmp_path,
        objective,
        n_trials=18,
        sampler=sampler,
        pruner=PromotionPruner(1, ranking="last", max_resource=9),
    )
    reached = Counter(trial.last_step for trial in study.trials)
    assert set(reached) == {1, 3, 9}
    assert states(study) == {"PRUNED": 18 - reached[9], "COMPLETE": reached[9]}
    best_of_all = min(study.trials, key=lambda trial: trial.params["x"])
    assert best_of_all.last_step == 9


@pytest.mark.parametrize("max_epochs", [None, 40])
def test_freeze_thaw_in_plain_optuna_finds_the_best_within_its_limit(tmp_path, max_epochs):
    done: dict[int, int] = {}

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        for step in range(done.get(trial.number, 0) + 1, 13):
            done[trial.number] = step
            trial.report((1 + x) * (1 + 3 / step), step)
            if step < 12 and trial.should_prune():
                raise optuna.TrialPruned
        return (1 + x) * (1 + 3 / 12)

    policy = FreezeThawPruner(Forecaster(12), max_epochs=max_epochs)
    sampler = optuna.samplers.RandomSampler(seed=1)
    study = optimized(tmp_path, objective, n_trials=18, sampler=sampler, pruner=policy)
    assert states(study)["COMPLETE"] >= 1
    assert sum(states(study).values()) == 18
    assert study.best_params["x"] == min(trial.params["x"] for trial in study.trials)
    assert sum(done.values()) <= (max_epochs or 0.7 * 18 * 12)


def test_a_hung_objective_ends_and_the_next_trial_begins(tmp_path):
    def objective(trial):
        if trial.number == 0:
            time.sleep(60)
        return 1.0

    study = optimized(tmp_path, objective, n_trials=2, trial_timeout=0.3)
    assert states(study) == {"FAIL": 1, "COMPLETE": 1}
    reason = "not finished after 0.3 s (trial_timeout=0.3)"
    assert study.trials[0].user_attrs["fail_reason"] == reason


def test_when_the_time_is_over_the_trial_waits_for_a_larger_one(tmp_path, caplog):
    def hung(_):
        time.sleep(60)  # until the time is over, however late that is noticed

    run = partial(optimized, tmp_path, n_trials=2)
    for _ in range(2):
        study = run(hung, timeout=0.2)
        assert states(study) == {"WAITING": 2}
        assert "the time of study 's' is over (timeout=0.2); a larger one" in caplog.text
        caplog.clear()
    assert not any(RETRIES in trial.system_attrs for trial in study.trials)
    assert states(run(lambda _: 1.0, timeout=60)) == {"COMPLETE": 2}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", 0),
        ("timeout", True),
        ("trial_timeout", "auto"),
        ("trial_timeout", math.inf),
        ("epoch_timeout", "10"),
        ("epoch_timeout", -1),
        ("epoch_timeout", math.nan),
    ],
)
def test_a_limit_that_is_no_time_is_refused_before_anything_is_written(tmp_path, name, value):
    with pytest.raises(ValueError, match=f"^{name} must be a positive number of seconds"):
        optimized(tmp_path, lambda trial: 0.0, n_trials=1, **{name: value})
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("n_trials", 0, "must be at least 1, got 0"),
        ("n_trials", "ten", "must be a whole number, got 'ten'"),
        ("n_trials", None, "must be a whole number, got None"),
        ("n_trials", 2.5, "must be a whole number, got 2.5"),
        ("lease_s", 0, "must be more than 0, got 0"),
        ("lease_s", math.nan, "must be a number, got nan"),
        ("max_retries", -1, "must be at least 0, got -1"),
        ("patience_s", "x", "must be a number, got 'x'"),
        ("direction", "up", "must be minimize or maximize, got up"),
        ("sampler", "tpe", "must be None or an object of a subclass of BaseSampler, got 'tpe'"),
        ("sampler", optuna.samplers.TPESampler, "must be None or an object of a subclass of "),
        ("pruner", 5, "must be None or an object of a subclass of BasePruner, got 5"),
        ("objective", 5, "must be a function of a trial, got 5"),
    ],
)
def test_an_argument_that_cannot_be_is_refused_before_anything_is_written(
    tmp_path, name, value, rule
):
    arguments = {"objective": lambda trial: 0.0, "n_trials": 1, name: value}
    with pytest.raises(ValueError, match=f"^{name} {rule}"):
        optimized(tmp_path, **arguments)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("objective", "reason"),
    [
        (lambda t: t.report(1.0, -3), "ValueError: step must be a whole number of at least 0"),
        (lambda t: t.report(True, 1), "TypeError: a reported value must be a number, got True"),
        (lambda t: t.report("0.5", 1), "TypeError: a reported value must be a number, got '0.5'"),
        (lambda t: True, "the task returned True, not a number"),
        (lambda t: "0.5", "the task returned '0.5', not a number"),
    ],
)
def test_what_is_no_result_fails_the_trial_and_says_why(tmp_path, objective, reason):
    study = optimized(tmp_path, objective, n_trials=1)
    assert study.trials[0].user_attrs["fail_reason"].startswith(reason)


def test_a_worker_whose_trial_was_finished_by_another_one_goes_on(tmp_path, caplog):
    def objective(trial):
        trial.report(1.0, 1)
        if trial.number == 0:
            other = open_storage(tmp_path / "s.log", tmp_path)
            other.set_trial_system_attr(trial._trial_id, LEASE, {"id": "other"})
            other.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [0.5])
        trial.report(2.0, 2)
        return 1.0

    study = optimized(tmp_path, objective, n_trials=2)
    assert [trial.value for trial in study.trials] == [0.5, 1.0]
    assert not {FAIL_REASON, SECONDS} & study.trials[0].user_attrs.keys()
    assert "Traceback" not in caplog.text


def test_a_trial_has_a_folder_that_no_other_study_is_given(tmp_path):
    seen = []

    def objective(trial):
        seen.append(trial.folder())
        assert trial.folder() == seen[-1]
        return 0.0

    for name in ("s", "t"):
        optimized(tmp_path, objective, n_trials=1, study_name=name)
    assert seen == [tmp_path / "s/trials/0000", tmp_path / "t/trials/0000"]
    with pytest.raises(ValueError, match=f"the folder {tmp_path}/s belongs to another study 's'"):
        optimized(tmp_path, objective, n_trials=1, storage=tmp_path / "again.log")


def test_an_objective_that_asks_for_no_folder_leaves_none(tmp_path):
    for storage in ("a.log", "b.log"):
        optimized(tmp_path, lambda trial: 0.0, n_trials=1, storage=tmp_path / storage)
    assert {path.name for path in tmp_path.iterdir()} == {"a.log", "b.log"}


@pytest.mark.parametrize("name", [None, "a/b", ""])
def test_a_name_that_cannot_be_one_is_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(ValueError, match=r"^study_name must "):
        optimized(tmp_path, lambda trial: 0.0, n_trials=1, study_name=name)
    assert list(tmp_path.iterdir()) == []


def test_a_study_without_a_result_says_why(tmp_path, caplog):
    def objective(trial):
        if trial.number == 0:
            raise RuntimeError("no luck")
        return float("nan")

    journal = tmp_path / "study.log"
    optimize(objective, study_name="s", storage=journal, n_trials=3, folder=tmp_path)
    text = "study 's': no trial is complete: 2 diverged, 1 failed: RuntimeError: no luck"
    assert text in caplog.text


@pytest.mark.parametrize("wrong", ["text", ["text", 1], {"id": 7}, True, float("nan")])
def test_attributes_of_the_wrong_type_end_no_process_and_no_report(study, tmp_path, wrong):
    storage = open_storage(tmp_path / "study.log", tmp_path)
    made = optuna.create_study(study_name="plain", storage=storage)
    names = [name for name in vars(attributes).values() if str(name).startswith("hpo:")]
    for name in names:
        made.set_user_attr(name + "a" * name.endswith(":"), wrong)
    for _ in range(2):
        made.enqueue_trial({}, user_attrs=dict.fromkeys((RUN, SECONDS, DIVERGED), wrong))
    for number in range(2):
        for name in names:
            storage.set_trial_system_attr(number, name, wrong)
    optimize(
        lambda trial: trial.suggest_float("x", 0, 1),
        study_name="plain",
        storage=tmp_path / "study.log",
        n_trials=3,
        folder=tmp_path,
        pruner=PromotionPruner(1, ranking="last"),
    )
    assert states(study()) == {"COMPLETE": 3}
    summary = write_report(storage, "plain", tmp_path).subject.summary
    assert (summary.n_finished, summary.n_workers) == (3, 1)


def test_a_reached_budget_ends_a_call_and_a_larger_one_continues(tmp_path, caplog):
    def objective(trial):
        first = (trial.storage.get_trial(trial._trial_id).last_step or 0) + 1
        for step in range(first, 4):
            trial.report(1.0, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return 1.0

    run = partial(optimized, tmp_path, objective, n_trials=3)
    study = run(budget={"epochs": 5})
    assert states(study) == {"COMPLETE": 1, "WAITING": 2}
    assert "study 's' has reached budget.epochs=5 (5 reported); a larger one contin" in caplog.text
    study = run(budget={"epochs": 50})
    assert states(study) == {"COMPLETE": 3}
    assert [len(trial.intermediate_values) for trial in study.trials] == [3, 3, 3]
    records = [v for k, v in study.user_attrs.items() if k.startswith(attributes.WORKER)]
    assert sorted(record["n_reports"] for record in records) == [4, 5]
    assert {record["start_up_s"] for record in records} == {0.0}


def test_core_hours_are_counted_over_all_calls(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("HPO_CORES", "3600")  # an hour each second
    run = partial(optimized, tmp_path, lambda trial: time.sleep(0.1) or 1.0, n_trials=9)
    first = states(run(budget={"core_hours": 0.25}))
    assert 1 <= first["COMPLETE"] <= 3
    assert first["WAITING"] == 9 - first["COMPLETE"]
    assert states(run(budget={"core_hours": 0.25})) == first  # it begins nothing
    assert caplog.text.count("has reached budget.core_hours=0.25 (0.") == 2


@pytest.mark.parametrize("budget", [{"core_hours": 0}, {"hours": 1}, 50])
def test_a_wrong_budget_creates_nothing(tmp_path, budget):
    with pytest.raises(ValueError, match="budget"):
        optimized(tmp_path, lambda trial: 1.0, n_trials=1, budget=budget)
    assert list(tmp_path.iterdir()) == []


def test_the_first_trials_have_given_values_and_a_repeated_call_enqueues_none(tmp_path):
    def objective(trial):
        return trial.suggest_float("x", 0, 1) + trial.suggest_int("n", 0, 3)

    whole = partial(
        optimize, objective, study_name="s", storage=tmp_path / "s.log", folder=tmp_path
    )
    given = [{"x": 0.5, "n": 2}, {"x": 0.25}]
    whole(n_trials=3, enqueue=given)
    study = whole(n_trials=5, enqueue=given)
    assert [trial.params["x"] for trial in study.trials].count(0.5) == 1
    assert study.trials[0].params == given[0]
    assert study.trials[1].params["x"] == 0.25
    assert [trial.user_attrs.get("enqueued") for trial in study.trials] == ["given"] * 2 + [
        None
    ] * 3
    with pytest.raises(ValueError, match="enqueue must be a list of mappings"):
        whole(n_trials=6, enqueue=["default"])


def ascent(trial):
    """The toy of the paper on population based training: two hyperparameters, one at a time.

    Q = 1.2 - a^2 - b^2 is to be maximized by gradient ascent along one axis, which the
    hyperparameter chooses. A fixed choice leaves the other coordinate at 0.9.
    """
    axis = trial.suggest_categorical("axis", [0, 1])
    file = trial.checkpoint.folder / "state.json"
    step, *place = json.loads(file.read_text()) if trial.checkpoint.resume_from else (0, 0.9, 0.9)
    for epoch in range(step + 1, 25):
        place[axis] *= 0.8
        file.with_suffix(".new").write_text(json.dumps([epoch, *place]))
        file.with_suffix(".new").replace(file)
        value = 1.2 - place[0] ** 2 - place[1] ** 2
        trial.report(value, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


def test_a_population_beats_all_fixed_hyperparameters(tmp_path):
    def population(name, n_trials, pruner):
        return optimized(
            tmp_path,
            ascent,
            study_name=name,
            n_trials=n_trials,
            direction="maximize",
            sampler=optuna.samplers.RandomSampler(seed=1),
            pruner=pruner,
        )

    fixed = population("fixed", 6, None)
    assert len({trial.params["axis"] for trial in fixed.trials}) == 2
    assert fixed.best_value == pytest.approx(1.2 - 0.81, abs=1e-3)

    def policy(seed=0):
        return PopulationPruner(population=6, interval=2, max_resource=24, seed=seed)

    found = population("pbt", 20, policy())
    assert found.best_value > 1.15
    counts = states(found)
    assert counts["COMPLETE"] == 6
    assert counts["COMPLETE"] + counts["PRUNED"] == 20
    stages = lineage(found.best_trial, dict(enumerate(found.trials)))
    assert {stage.trial.params["axis"] for stage in stages} == {0, 1}
    assert [stage.first for stage in stages[1:]] == [stage.last + 1 for stage in stages[:-1]]
    # The same steps as six fixed trainings, and the same trials again.
    assert sum(len(trial.intermediate_values) for trial in found.trials) == 6 * 24
    again = population("again", 20, policy())
    assert [trial.params for trial in again.trials] == [trial.params for trial in found.trials]
    children = [trial for trial in found.trials if PARENT in trial.system_attrs]
    assert len(children) > 3
    for child in children:
        parent, step = parent_of(child)
        assert min(child.intermediate_values) == step + 1
        assert step in found.trials[parent].intermediate_values
    assert not [*(tmp_path / "pbt/trials").glob(".*.partial")]
