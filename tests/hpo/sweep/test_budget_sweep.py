"""Budgets that end a sweep, and go on with a larger one."""

import csv
import os
import signal
from collections import Counter

import optuna
import pytest

from hpo.attributes import BEAT, LOSSES
from hpo.reporting.ledger import read_ledger

LOCAL = ("toy/toy.py", "-m", "hydra/launcher=hpo_local")


def states(study):
    return Counter(trial.state.name for trial in study.trials)


def n_stored(study):
    return sum(len(trial.intermediate_values) for trial in study.trials)


def test_epochs_end_a_sweep_at_a_report_and_a_larger_budget_goes_on(toy, study, tmp_path):
    command = ("-m", "hydra/launcher=basic", "epochs=3", "epoch_s=0")
    code, printed = toy(*command, "hydra.sweeper.budget.epochs=5")
    assert code == 0
    assert "has reached hydra.sweeper.budget.epochs=5 (5 reported): 1 of 4 trials" in printed
    assert "with a larger hydra.sweeper.budget.epochs continues it" in printed
    assert states(study()) == {"COMPLETE": 1, "WAITING": 3}
    assert n_stored(study()) == 5
    with (tmp_path / "sweep" / "ledger.csv").open() as stream:
        ledger = {(line["kind"], line["name"]): line for line in csv.DictReader(stream)}
    assert ledger["outcome", "unfinished"]["epochs"] == "2"
    assert "cost" in printed

    code, printed = toy(*command, "hydra.sweeper.budget.epochs=5")  # nothing may begin
    assert (code, n_stored(study())) == (0, 5)
    assert "has reached hydra.sweeper.budget.epochs=5" in printed

    assert toy(*command, "hydra.sweeper.budget.epochs=100")[0] == 0
    assert states(study()) == {"COMPLETE": 4}
    epochs = [log.read_text().split() for log in sorted(tmp_path.glob("sweep/trials/*/epochs"))]
    assert epochs == [["0", "1", "2"]] * 4  # from the checkpoint: none was run twice


def test_a_budget_that_ends_before_any_trial_is_complete_is_no_success(toy, study):
    command = ("-m", "hydra/launcher=basic", "epochs=9", "epoch_s=0")
    code, printed = toy(*command, "hydra.sweeper.budget.epochs=4")
    assert code == 1
    assert "has reached hydra.sweeper.budget.epochs=4" in printed
    assert "no trial is complete: 4 waiting" in printed
    assert study().trials[0].last_step == 4


@pytest.mark.parametrize(
    ("budget", "n_complete", "told"),
    [("target=9", 1, "target=9 (trial 0:"), ("patience_trials=1", 3, "patience_trials=1 (1 tr")],
)
def test_a_target_or_no_progress_ends_a_sweep(toy, study, budget, n_complete, told):
    toy.module.train = lambda cfg: [1.0, 0.5, 0.7, 0.2][toy.module.hpo.current_trial().number]
    code, printed = toy("-m", "hydra/launcher=basic", f"hydra.sweeper.budget.{budget}")
    assert (code, states(study())["COMPLETE"]) == (0, n_complete)
    assert f"has reached hydra.sweeper.budget.{told}" in printed


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("budget.core_hours=-1", "hydra.sweeper.budget.core_hours must be a number of more than"),
        ("budget.epoch=5", "hydra.sweeper.budget.epoch: no such budget; did you mean epochs?"),
        ("budget=50", "hydra.sweeper.budget must be null or a mapping"),
        ("budget.gpu_hours=1", "hydra.sweeper.budget.gpu_hours=1: no GPU is used"),
        ("budget.energy_kwh=1", "hydra.sweeper.budget.energy_kwh=1: no energy can be read here"),
    ],
)
def test_a_wrong_budget_is_one_line_and_leaves_nothing(toy, tmp_path, monkeypatch, setting, told):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("commons.energy._POWERCAP", tmp_path / "none")
    plus = "+" if "epoch=" in setting else ""
    code, printed = toy("-m", "hydra/launcher=basic", f"{plus}hydra.sweeper.{setting}")
    assert code == 2
    assert told in printed
    assert not (tmp_path / "sweep").exists()


def test_two_commands_at_a_time_keep_to_one_budget(shell, study):
    more = ("hydra.sweeper.n_trials=40", "hydra.sweeper.n_workers=2", "epochs=4", "epoch_s=0.05")
    commands = [shell(*LOCAL, *more, "hydra.sweeper.budget.epochs=40") for _ in range(2)]
    ends = [command.end() for command in commands]
    assert [code for code, _ in ends] == [0, 0], ends
    assert all("has reached hydra.sweeper.budget.epochs=40" in output for _, output in ends)
    assert 40 <= n_stored(study()) <= 40 + 8  # a worker or two without a core look late
    assert states(study())["RUNNING"] == 0


def test_core_hours_end_a_sweep_and_a_killed_worker_counts_as_lost(shell, study, wait_until):
    more = ("hydra.sweeper.n_trials=400", "epochs=3", "epoch_s=3", "hydra.sweeper.lease_s=0.9")
    command = shell(*LOCAL, *more, "hydra.sweeper.budget.core_hours=0.005")

    def beaten():
        beats = [t.system_attrs.get(BEAT, ["", 0])[1] for t in _trials(study)]
        return max(beats, default=0) >= 3

    wait_until(beaten)
    (worker,) = [v for k, v in study().user_attrs.items() if k.startswith("hpo:worker:")]
    os.kill(worker["pid"], signal.SIGKILL)
    code, output = command.end()
    assert code == 0, output
    assert "has reached hydra.sweeper.budget.core_hours=0.005 (0.005" in output
    after = study()
    (losses,) = [t.user_attrs[LOSSES] for t in after.trials if LOSSES in t.user_attrs]
    assert losses[0]["worker"] == next(
        k.removeprefix("hpo:worker:") for k, v in after.user_attrs.items() if v == worker
    )
    assert losses[0]["held_s"] >= 0.6
    ledger = read_ledger(after._storage, after._study_id)
    assert ledger.total.cost.core_h == pytest.approx(0.005, rel=0.3)
    assert 0 < ledger.outcomes["lost"].core_h < ledger.total.cost.core_h


def _trials(study):
    try:
        return study().trials
    except KeyError:  # not yet created
        return optuna.create_study().trials
