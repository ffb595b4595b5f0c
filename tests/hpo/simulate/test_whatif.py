import json

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from hpo.attributes import SECONDS, WORKER
from hpo.simulate.__main__ import main

# Four complete trials of 5 epochs and twelve pruned after 1; an epoch takes 100 s. 2 workers,
# 20 s to start, 10 s between trainings: 3200 s of training.
FINALS = [4, *[9] * 3, 3, *[9] * 3, 2, *[9] * 3, 1, *[9] * 3]


@pytest.fixture
def folder(tmp_path):
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(tmp_path / "journal.log"))),
        study_name="mine",
    )
    for i, final in enumerate(FINALS):
        length = 5 if final < 9 else 1
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE if length == 5 else TrialState.PRUNED,
                value=float(final),
                params={"x": i / 20},
                distributions={"x": FloatDistribution(0, 1)},
                intermediate_values={step: final + 5.0 - step for step in range(1, length + 1)},
                user_attrs={SECONDS: 100 * length},
            )
        )
    record = {"start": 20, "end": 1700, "worked_until": 1700, "busy_s": 1600, "n_trials": 8}
    for name in "ab":
        study.set_user_attr(WORKER + name, {**record, "start_up_s": 20})
    return tmp_path


@pytest.fixture
def ask(folder, tmp_path):
    def run(*arguments):
        assert main([f"study={folder}", f"out={tmp_path / 'out'}", *arguments]) == 0
        return json.loads((tmp_path / "out" / "timeline.json").read_text())

    return run


def test_workers_that_were_not_there_are_simulated_with_the_trials_of_the_study(ask, capsys):
    own, double, four = ask()
    assert [row["n_workers"] for row in (own, double, four)] == [2, 4, 8]
    # All 16 trials: 32 epochs, 16 times 10 s before one, and the start of each worker.
    for row in (own, double, four):
        seconds = 3200 + 160 + 20 * row["n_workers"]
        assert row["core_h"] == pytest.approx(seconds / 3600)
        assert row["core_hours"]["trained"] == pytest.approx(3200 / 3600)
        assert (row["by_wall_h"]["median"][-1], row["n_cut"]) == (1, 0)
    # By hand: with 8 workers the 13th trial, a complete one, begins after one of one epoch.
    assert four["wall_h"] * 3600 == pytest.approx(20 + 110 + 510)
    assert own["best_h"] > double["best_h"] > four["best_h"]
    text = " ".join(capsys.readouterr().out.split())
    # 1680 s; in the replay one worker has 8 trainings and the other one the same.
    assert "The study took 28 min without queue and start-up; replayed as it was: 28 min" in text
    gain = own["wall_h"] / four["wall_h"]
    assert "8 workers instead of 2: the best value after 10.7 min, " in text
    assert f"the end after 10.7 min, {gain:.3g} times earlier" in text
    assert "core-hours +3.5%" in text
    assert "Proposals are those of the study" in text
    assert "beyond what is known" not in text


def test_more_workers_than_trials_buy_nothing(ask):
    own, many = ask("n_workers=1000")
    assert many["wall_h"] * 3600 == pytest.approx(20 + 10 + 500)
    assert own["n_workers"] == 2
    assert many["utilization"] < own["utilization"]


def test_a_pruner_decides_anew_and_what_is_not_known_is_counted(ask, capsys):
    # ASHA with two workers does what the study did: 4, 3, 2 and 1 are each the best at epoch 1.
    published = [
        f"pruner.{each}" for each in ("_target_=hpo.AshaPruner", "min_resource=1", "ranking=last")
    ]
    own, four = ask(*published, "n_workers=8")
    assert (own["n_cut"], own["core_hours"]["trained"] * 3600) == (0, pytest.approx(3200))
    assert "beyond what is known" not in capsys.readouterr().out
    own, four = ask("pruner._target_=optuna.pruners.NopPruner", "n_workers=8")
    assert (own["n_cut"], four["n_cut"]) == (12, 12)
    told = " ".join(capsys.readouterr().out.split())
    assert "have trained up to 12 of 16 trials beyond what is known of their curves" in told


def test_a_queue_that_differs_is_drawn_for_each_seed(ask):
    rows = ask("queue_s=[0,3600]", "seeds=5", "start_s=0")
    assert [row["n"] for row in rows] == [5, 5, 5]
    assert rows[0]["queued_h"] > 0
    assert rows[0]["core_hours"]["other"] * 3600 == pytest.approx(160)


def test_recorded_queues_and_cores_count(folder, ask):
    study = optuna.load_study(
        study_name="mine", storage=JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    )
    for name, queued_s in (("a", 100), ("b", 300)):
        record = study.user_attrs[WORKER + name]
        study.set_user_attr(WORKER + name, {**record, "queued_s": queued_s, "cores": 4})
    own, many = ask("n_workers=16")
    assert own["queued_h"] * 3600 == pytest.approx(2 * 200)
    assert many["wall_h"] * 3600 == pytest.approx(200 + 20 + 10 + 500)
    assert many["core_h"] * 3600 == pytest.approx(4 * (3200 + 160 + 16 * 20))
    own, many = ask("n_workers=16", "queue_s=0", "cores_per_worker=0.5")
    assert many["wall_h"] * 3600 == pytest.approx(20 + 10 + 500)
    assert many["core_h"] * 3600 == pytest.approx((3200 + 160 + 16 * 20) / 2)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("orders=7", 2, "orders=... is for simulations of curves=..."),
        ("epoch_s=7", 2, "epoch_s=... is for simulations"),
        ("curves=a.csv", 2, "give one of them"),
        ("n_workers=0", 2, "n_workers=0: must be at least 1"),
        ("queue_s=-1", 2, "queue_s=-1: expected seconds"),
        ("pruner.x=1", 1, "pruner needs a _target_"),
        ("pruner._target_=no.Pruner", 1, "pruner"),
        ("storage={folder}", 2, "the storage has mine"),
    ],
)
def test_a_mistake_is_one_line(folder, capsys, arguments, code, message):
    assert main([f"study={folder}", *arguments.format(folder=folder).split()]) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_study_without_a_result_is_a_failure(tmp_path, capsys):
    path = tmp_path / "journal.log"
    optuna.create_study(storage=JournalStorage(JournalFileBackend(str(path))), study_name="empty")
    assert main([f"study={tmp_path}"]) == 1
    assert "no trial with a known time is complete" in capsys.readouterr().err
    assert main([f"study={tmp_path / 'none'}"]) == 2
    assert "no such journal file" in capsys.readouterr().err
