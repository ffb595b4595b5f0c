"""Whole sweeps in this process, workers one after another (Hydra's basic launcher)."""

import json
import os
import signal
import sys
from collections import Counter

import optuna
import pytest
import yaml
from optuna.study import StudyDirection
from optuna.trial import TrialState

from hpo.study.tickets import Tickets


def states(study):
    return Counter(trial.state.name for trial in study.trials)


def test_a_sweep_ends_with_exactly_n_trials_and_a_folder_for_each(toy, study, tmp_path):
    code, _ = toy("-m")
    assert code == 0
    assert states(study()) == {"COMPLETE": 4}
    folders = sorted(path.name for path in (tmp_path / "sweep/trials").iterdir())
    assert folders == [f"{number:04d}" for number in range(4)]
    trial = study().trials[3]
    overrides = yaml.safe_load((tmp_path / "sweep/trials/0003/.hydra/overrides.yaml").read_text())
    assert overrides == [f"x={trial.params['x']!r}"]
    assert trial.user_attrs["run"]["worker"].endswith("/0")
    assert trial.last_step == 3


def test_a_finished_study_is_left_alone(toy, study):
    toy("-m")
    before = [trial.datetime_complete for trial in study().trials]
    code, printed = toy("-m")
    assert code == 0
    assert "nothing to do" in printed
    assert [trial.datetime_complete for trial in study().trials] == before


def test_more_trials_continue_a_finished_study(toy, study):
    toy("-m", "hydra.sweeper.n_trials=2")
    first = study().trials[0].params
    code, _ = toy("-m", "hydra.sweeper.n_trials=4")
    assert code == 0
    assert states(study()) == {"COMPLETE": 4}
    assert study().trials[0].params == first


def test_random_search_draws_the_same_points_in_one_go_or_two(toy, study, tmp_path):
    toy("-m", "hydra.sweeper.n_trials=4")
    toy("-m", "hydra.sweeper.n_trials=2", "hydra.sweep.dir=other")
    toy("-m", "hydra.sweeper.n_trials=4", "hydra.sweep.dir=other")
    points = [[t.params["x"] for t in study(folder=f).trials] for f in ("sweep", "other")]
    assert points[0] == points[1]
    assert len(set(points[0])) == 4
    assert (
        study().trials[1].user_attrs["run"]["sampler_seed"]
        != study().trials[2].user_attrs["run"]["sampler_seed"]
    )


def test_pruned_trials_count_and_their_epochs_are_saved(toy, study, tmp_path):
    toy("-m", "hydra/sweeper/pruner=asha", "hydra.sweeper.n_trials=9", "epochs=9")
    counts = states(study())
    assert counts["PRUNED"] + counts["COMPLETE"] == 9
    assert counts["PRUNED"] > 0
    summary = json.loads((tmp_path / "sweep/summary.json").read_text())
    run = sum(trial.last_step for trial in study().trials)
    assert summary["epochs"] == {"run": run, "saved": 81 - run}
    assert summary["best"]["number"] == study().best_trial.number


def test_a_failing_trial_is_recorded_with_its_reason_and_the_sweep_goes_on(toy, study, tmp_path):
    code, _ = toy("-m", "raises=[1]", "exits=[2]", "hydra.sweeper.max_failure_rate=0.5")
    assert code == 0
    assert states(study()) == {"COMPLETE": 2, "FAIL": 2}
    assert study().trials[1].user_attrs["fail_reason"] == "RuntimeError: no luck"
    assert study().trials[2].user_attrs["fail_reason"] == "the task called sys.exit(3)"
    assert "no luck" in (tmp_path / "sweep/trials/0001/toy.log").read_text()


def test_too_many_failures_end_the_sweep_with_an_error(toy, study):
    code, printed = toy("-m", "raises=[0,1,2,3]", "hydra.sweeper.max_failure_rate=0.3")
    assert code == 1
    assert "max_failure_rate=0.3" in printed
    assert "RuntimeError: no luck" in printed
    assert states(study()) == {"FAIL": 2, "WAITING": 2}


def test_the_first_failure_ends_a_sweep_by_default(toy, study):
    assert toy("-m", "raises=[1]")[0] == 1
    assert states(study()) == {"COMPLETE": 1, "FAIL": 1, "WAITING": 2}


def test_a_task_that_returns_no_number_fails(toy, study):
    assert toy("-m", "returns_nothing=true")[0] == 1
    assert "returned None" in study().trials[0].user_attrs["fail_reason"]


def test_a_loss_that_is_not_finite_prunes_its_trial_as_diverged(toy, study):
    assert toy("-m", "diverges=[1]")[0] == 0
    assert states(study()) == {"COMPLETE": 3, "PRUNED": 1}
    assert study().trials[1].user_attrs["diverged"] == 1


def test_a_value_fixed_on_the_command_line_leaves_the_search_space(toy, study, tmp_path):
    toy("-m", "x=0.5", "text=choice(a,'b c','1')")
    assert set(study().trials[0].params) == {"text"}
    config = yaml.safe_load((tmp_path / "sweep/trials/0000/.hydra/config.yaml").read_text())
    assert config["x"] == 0.5
    texts = {t.params["text"] for t in study().trials}
    assert texts <= {"a", "b c", "1"}
    assert len(texts) > 1
    assert config["text"] == study().trials[0].params["text"]


def test_a_config_group_can_be_searched(toy, study, tmp_path):
    toy("-m", "flavour=choice(plain,sugar)")
    for trial in study().trials:
        file = tmp_path / f"sweep/trials/{trial.number:04d}/.hydra/config.yaml"
        config = yaml.safe_load(file.read_text())
        assert config["sweet"] == (trial.params["flavour"] == "sugar")
    best = yaml.safe_load((tmp_path / "sweep/best.yaml").read_text())
    chosen = study().best_params["flavour"]
    assert best["defaults"] == ["toy", {"override flavour": chosen}, "_self_"]


def test_a_single_objective_has_its_name_in_the_study_and_the_report(toy, study, tmp_path):
    assert toy("-m", "hydra.sweeper.goals={names: loss}", "hydra.sweeper.direction=min")[0] == 0
    assert study().metric_names == ["loss"]
    assert study().direction == StudyDirection.MINIMIZE
    header = (tmp_path / "sweep/trials.csv").read_text().partition("\n")[0]
    assert header.startswith("number,state,loss,epochs,")


def test_best_yaml_composes_to_the_configuration_of_the_best_trial(toy, study, tmp_path):
    toy("-m", "flavour=sugar", "text='it\\'s'", "+extra=[1,two]", "epochs=2")
    code, _ = toy("--config-dir", "sweep", "--config-name", "best", "hydra.run.dir=again")
    assert code == 0
    best = tmp_path / f"sweep/trials/{study().best_trial.number:04d}/.hydra/config.yaml"
    assert (tmp_path / "again/.hydra/config.yaml").read_text() == best.read_text()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["x=interval(-2,1)"], "x"),
        (["text=choice(a,b)"], "text"),
        (["x=0.1", "text=choice(a,b)"], "text"),
        (["hydra.sweeper.direction=maximize"], "hydra.sweeper.direction"),
        (["epochs=2"], "epochs"),
    ],
)
def test_a_study_is_not_resumed_as_another_problem(toy, arguments, named):
    toy("-m", "hydra.sweeper.n_trials=1")
    code, printed = toy("-m", "hydra.sweeper.n_trials=2", *arguments)
    assert code == 2
    assert printed.startswith(f"{named}: ")
    assert "study 'toy'" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials must be at least 1, got 0"),
        (["hydra.sweeper.n_workers=0"], "hydra.sweeper.n_workers must be at least 1, got 0"),
        (
            ["hydra.sweeper.max_failure_rate=2"],
            "hydra.sweeper.max_failure_rate must be in 0..1, got 2",
        ),
        (
            ["hydra.sweeper.direction=up"],
            "hydra.sweeper.direction must be minimize or maximize, got up",
        ),
        (["x=interval(2,1)"], "x=interval(2,1): "),
        (["x=1"], "nothing to search"),
        (["hydra.sweeper.nonsense=1"], "hydra.sweeper.nonsense"),
        (["hydra.sweeper.sampler._target_=optuna.samplers.Nope"], "hydra.sweeper.sampler: "),
        (["hydra.sweeper.pruner={_target_: optuna.pruners.Nope}"], "hydra.sweeper.pruner: "),
        (
            ["hydra.sweeper.custom_search_space=no.such.function"],
            "hydra.sweeper.custom_search_space: ",
        ),
    ],
)
def test_bad_settings_are_one_clear_line(toy, arguments, message):
    code, printed = toy("-m", *arguments)
    assert code == 2
    assert message in printed
    assert "Traceback" not in printed
    assert "workers; their output" not in printed


def test_a_launcher_that_runs_jobs_in_turn_gets_one_worker_and_says_so(toy, tmp_path):
    code, printed = toy("-m", "hydra.sweeper.n_workers=3")
    assert code == 0
    assert "one worker. hpo_local runs more" in printed
    (launch,) = (tmp_path / "sweep/workers").iterdir()
    assert len(list(launch.iterdir())) == 1


@pytest.mark.parametrize("storage", ["sqlite:///study.db", "some/journal.log"])
def test_a_relative_storage_is_one_file_although_jobs_change_folder(toy, tmp_path, storage):
    code, printed = toy("-m", "hydra.job.chdir=true", f"hydra.sweeper.storage={storage}")
    assert code == 0, printed
    assert (tmp_path / storage.removeprefix("sqlite:///")).is_file()


def test_without_multirun_the_application_runs_once_and_reports_to_nobody(toy, tmp_path):
    assert toy("x=0.5", "hydra.run.dir=once")[0] == 0
    assert (tmp_path / "once/epochs").read_text() == "0\n1\n2\n"
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize("pruner", ["hyperband", "median"])
def test_pruners_of_the_group_work(toy, study, pruner):
    limit = ["hydra.sweeper.pruner.max_resource=3"] if pruner == "hyperband" else []
    assert toy("-m", f"hydra/sweeper/pruner={pruner}", *limit)[0] == 0
    assert len(study().trials) == 4


def test_a_gaussian_process_samples(toy, study):
    options = ("hydra/sweeper/sampler=gp", "hydra.sweeper.sampler.n_startup_trials=2")
    assert toy("-m", *options)[0] == 0
    assert states(study()) == {"COMPLETE": 4}


def test_a_sqlite_database_serves_as_storage(toy, tmp_path):
    assert toy("-m", "hydra.sweeper.storage=sqlite:///study.db")[0] == 0
    study = optuna.load_study(study_name="toy", storage=f"sqlite:///{tmp_path}/study.db")
    assert states(study) == {"COMPLETE": 4}


def test_a_storage_given_as_object_is_built_by_each_worker(toy, tmp_path):
    backend = "{_target_: optuna.storages.journal.JournalFileBackend, file_path: own.log}"
    storage = f"{{_target_: optuna.storages.JournalStorage, log_storage: {backend}}}"
    assert toy("-m", f"hydra.sweeper.storage={storage}")[0] == 0
    assert (tmp_path / "own.log").stat().st_size > 0


def test_memory_of_one_process_is_refused_as_storage(toy):
    code, printed = toy("-m", "hydra.sweeper.storage={_target_: optuna.storages.InMemoryStorage}")
    assert code == 2
    assert "hydra.sweeper.storage: workers cannot share InMem" in printed


@pytest.mark.parametrize("url", ["postgresql://me:hunter2@host/db", "${oc.env:ADDRESS}"])
def test_the_password_of_a_storage_is_written_nowhere(toy, study, tmp_path, monkeypatch, url):
    # A stand-in for a database: takes its address and keeps a journal.
    (tmp_path / "stand_in.py").write_text(
        "from hpo import open_storage\n"
        "def connect(url):\n"
        "    assert url == 'postgresql://me:hunter2@host/db'\n"
        "    return open_storage('sweep/journal.log', None)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ADDRESS", "postgresql://me:hunter2@host/db")
    node = f"{{_target_: stand_in.connect, url: '{url}'}}"
    code, printed = toy("-m", f"hydra.sweeper.storage={node}", "+copy=${hydra:sweeper.storage}")
    assert code == 0
    assert "hunter2" not in printed
    written = [p for p in (tmp_path / "sweep").rglob("*") if p.is_file() and p.suffix != ".pyc"]
    assert all("hunter2" not in path.read_text(errors="ignore") for path in written)
    if "oc.env" not in url:
        assert "me:***@host" in (tmp_path / "sweep/multirun.yaml").read_text()
        assert "me:***@host" in (tmp_path / "sweep/trials/0000/.hydra/hydra.yaml").read_text()


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("sqlite+pysqlite://me:hunter2@/x.db", "hydra.sweeper.storage: Invalid SQLite URL"),
        ("nonsense://host/db", "hydra.sweeper.storage: "),
        ("{_target_: no.such.thing}", "hydra.sweeper.storage: "),
    ],
)
def test_a_storage_that_cannot_be_opened_is_one_clear_line(toy, storage, message):
    code, printed = toy(
        "-m",
        f"hydra.sweeper.storage='{storage}'"
        if "://" in storage
        else f"hydra.sweeper.storage={storage}",
    )
    assert code == 2
    assert printed.startswith(message)
    assert "hunter2" not in printed
    assert "Traceback" not in printed


def test_a_custom_search_space_suggests_more(toy, study, tmp_path, monkeypatch):
    (tmp_path / "extra_space.py").write_text(
        "def extend(cfg, trial):\n    trial.suggest_categorical('text', ['p', 'q'])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "extra_space", raising=False)
    assert toy("-m", "hydra.sweeper.custom_search_space=extra_space.extend")[0] == 0
    assert set(study().trials[0].params) == {"x", "text"}


def test_a_trial_claimed_while_a_signal_comes_is_given_back(toy, study, monkeypatch):
    take = Tickets.take

    def take_and_be_told_to_end(self, *trials):
        ticket = take(self)
        os.kill(os.getpid(), signal.SIGTERM)
        return ticket

    monkeypatch.setattr(Tickets, "take", take_and_be_told_to_end)
    code, output = toy("-m")
    assert code == 130, output
    assert {trial.state for trial in study().trials} == {TrialState.WAITING}


def test_a_sweep_without_a_result_says_why_and_fails(toy, tmp_path):
    for _ in range(2):  # a finished study says it again
        code, printed = toy("-m", "diverges=[0,1,2,3]")
        assert code == 1
        assert printed.splitlines()[-1].startswith("no trial is complete: 4 diverged; ")
    assert not (tmp_path / "sweep/best.yaml").exists()


# As a site whose `--test-only` does not see what a submission does.
REFUSAL = """case "$*" in *--test-only*) exit 0;; esac
echo 'sbatch: error: Invalid account' >&2; exit 1"""


@pytest.fixture
def refusing(tmp_path, monkeypatch):
    """Commands of SLURM on PATH, whose sbatch refuses."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sbatch", "srun", "squeue", "scancel", "sinfo", "scontrol", "sacct"):
        said = REFUSAL if name == "sbatch" else ":"
        (folder / name).write_text(f"#!/bin/sh\n{said}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


SLURM = ("hydra/launcher=hpo_slurm", "hydra.launcher.gpus_per_trial=0")
REFUSED = "SLURM refuses the job: Invalid account. Remedy: change hydra.launcher.account"


@pytest.mark.parametrize("storage", ["null", "sqlite:///study.db"])
def test_a_refused_submission_leaves_no_study_and_no_folder(toy, refusing, tmp_path, storage):
    setting = f"hydra.sweeper.storage={storage}"
    code, printed = toy("-m", *SLURM, setting, "hydra.sweep.dir=deep/sweep")
    assert code == 2
    assert printed.splitlines()[-1].startswith(REFUSED)
    assert "Traceback" not in printed
    assert {path.name for path in tmp_path.iterdir()} <= {"bin", "study.db"}
    # The corrected command searches something else, and nothing is in its way.
    code, printed = toy("-m", setting, "hydra.sweep.dir=deep/sweep", "x=interval(-2,1)")
    assert code == 0, printed


def test_a_refused_submission_leaves_an_older_study_as_it_was(toy, refusing, study):
    toy("-m", "hydra.sweeper.n_trials=2")
    code, _ = toy("-m", *SLURM)
    assert code == 2
    assert states(study()) == {"COMPLETE": 2, "WAITING": 2}


def test_a_grid_with_fewer_points_than_trials_finishes_the_study(toy, study):
    grid = "hydra.sweeper.sampler={_target_: optuna.samplers.GridSampler}"
    for _ in range(2):
        code, printed = toy("-m", grid, "x=1,2", "hydra.sweeper.n_trials=5", "epochs=1")
        assert code == 0
        assert "the space is exhausted: 2 of 5 trials" in printed
        assert sorted(t.params["x"] for t in study().trials) == [1, 2]
    assert "study 'toy' is finished (2 trials); nothing to do. Results" in printed


def test_another_rule_of_the_best_writes_the_report_of_a_finished_study_again(toy, tmp_path):
    def run(rule):
        goals = f"hydra.sweeper.goals={{names: [loss, size], best: {rule}}}"
        directions = "hydra.sweeper.direction=[minimize,minimize]"
        first = "hydra.sweeper.enqueue=[{x: 0},{x: 0.5}]"
        two = ("hydra.sweeper.n_trials=2", "returns_two=true")
        code, printed = toy("-m", directions, goals, first, *two)
        assert code == 0, printed
        best = yaml.safe_load((tmp_path / "sweep/best.yaml").read_text())
        summary = json.loads((tmp_path / "sweep/summary.json").read_text())
        return best["x"], summary["best"]["number"], summary["best"]["rule"], printed

    assert run("first")[:3] == (0, 0, "loss")
    assert "nothing to do" in run("first")[3]
    x, number, rule, printed = run("size")
    assert (x, number, rule) == (0.5, 1, "size")
    assert "study 'toy' is finished (2 trials); best by size: loss" in printed
    assert "nothing to do" not in printed
    assert "nothing to do" in run("size")[3]
