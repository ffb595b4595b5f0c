import math

import optuna
import pytest
from optuna.trial import TrialState, create_trial

import hpo.study.trial
from commons.asha import AshaPruner
from hpo.attributes import COST, FIGURES, PARENT, RETRIES
from hpo.budgets import Budget
from hpo.ranks import Group
from hpo.search.pausing import PausingPruner, is_paused
from hpo.storage.folders import FolderTakenError, StudyFolder
from hpo.storage.opening import open_storage
from hpo.study.lease import Lease, LeaseLostError
from hpo.study.limits import Limits
from hpo.study.spent import Spent
from hpo.study.trial import LeasedTrial


class PausesAt(PausingPruner):
    def __init__(self, step):
        self.step = step

    def pause(self, study, trial):
        return trial.last_step == self.step

    def choose(self, study, paused):
        return None


def leased(pruner, group=None):
    study = optuna.create_study(pruner=pruner)
    return again(study, study.ask()._trial_id, group)


def again(study, trial_id, group=None):
    return LeasedTrial(study, trial_id, Lease(study._storage, trial_id, 60), group)


def test_a_paused_trial_stops_without_being_pruned():
    trial = leased(PausesAt(2))
    assert [trial.should_stop(1.0, step) for step in (1, 2)] == [False, True]
    assert trial.life.paused_at == 2
    assert not trial.life.pruned


def test_at_the_last_step_the_pruner_is_not_asked():
    trial = leased(PausesAt(2))
    assert not trial.should_stop(1.0, 2, final=True)
    assert trial.life.paused_at is None


def test_plain_optuna_code_pauses_through_should_prune():
    trial = leased(PausesAt(1))
    trial.report(1.0, 1)
    assert trial.should_prune()
    assert trial.life.paused_at == 1


def test_a_pruner_of_optuna_prunes():
    trial = leased(optuna.pruners.ThresholdPruner(upper=1.0))
    assert trial.should_stop(2.0, 1)
    assert trial.life.pruned


def test_a_repeated_step_is_not_judged_again():
    trial = leased(PausesAt(1))
    trial.should_stop(1.0, 1)
    second = again(trial.study, trial._trial_id)
    assert not second.should_stop(9.0, 1)
    assert second.n_reports == 0
    assert second.storage.get_trial(second._trial_id).intermediate_values == {1: 1.0}


@pytest.mark.parametrize(("value", "stops"), [(1.0, False), (math.nan, True)])
def test_what_is_decided_is_published_to_the_other_ranks(tmp_path, value, stops):
    leader, follower = (Group(tmp_path, rank=r, size=2, local_size=1) for r in (0, 1))
    trial = leased(optuna.pruners.NopPruner(), leader)
    assert trial.should_stop(value, 3) is stops
    assert follower.decision(3) is stops


def test_a_trial_says_that_it_goes_on_with_something_else(caplog):
    trial = leased(optuna.pruners.NopPruner())
    trial.note({"git": "a"})
    trial.note({"data": "x"})
    assert caplog.messages == []
    resumed = again(trial.study, trial._trial_id)
    resumed.note({"git": "b", "data": "x"})
    assert caplog.messages == ["trial 0 was begun with git a, goes on with git b"]
    assert [facts["git"] for facts in resumed.user_attrs["code"]] == ["a", "b"]


@pytest.mark.parametrize(("direction", "kept"), [("minimize", 0.7), ("maximize", 0.8)])
def test_the_figures_beside_the_best_value_are_kept_with_the_trial(direction, kept):
    study = optuna.create_study(direction=direction)
    trial = again(study, study.ask()._trial_id)
    for step, (value, figure) in enumerate([(2.0, 0.9), (3.0, 0.8), (1.0, 0.7), (1.0, 0.6)], 1):
        trial.should_stop(value, step, figures={"ratio": figure, "nothing": math.nan})
    resumed = again(study, trial._trial_id)
    resumed.should_stop(0.0 if direction == "minimize" else 9.0, 4, figures={"ratio": 0.1})
    resumed.should_stop(2.5, 5, figures={"ratio": 0.2})
    assert study.trials[0].user_attrs[FIGURES] == {"ratio": kept}


def test_a_value_without_figures_leaves_those_that_are_kept():
    trial = leased(optuna.pruners.NopPruner())
    trial.should_stop(2.0, 1, figures={"ratio": 0.9})
    trial.should_stop(1.0, 2)
    assert trial.user_attrs[FIGURES] == {"ratio": 0.9}


@pytest.mark.parametrize("figure", ["0.9", None, True])
def test_a_figure_that_is_no_number_is_named_and_nothing_is_stored(figure):
    trial = leased(optuna.pruners.NopPruner())
    with pytest.raises(TypeError, match=f"figures must be numbers, got {figure!r} for ratio"):
        trial.should_stop(1.0, 1, figures={"ratio": figure})
    assert trial.storage.get_trial(trial._trial_id).intermediate_values == {}


def train(trial, steps):
    def training():
        for step in steps:
            trial.should_stop(1.0, step)
        return 1.0

    trial.live(lambda: trial.timed(training))


def test_the_cost_of_a_trial_is_that_of_all_its_processes(monkeypatch):
    monkeypatch.setenv("HPO_CORES", "3")
    monkeypatch.setenv("HPO_GPUS", "0")
    trial = leased(optuna.pruners.NopPruner())
    trial.set_user_attr(COST, {"core_s": 100.0, "gpu_s": 7.0, "cpu_s": 0.0})  # of a process before
    with trial._lease:
        train(trial, [1, 2])
    (ended,) = trial.study.trials
    cost = ended.user_attrs[COST]
    assert cost["core_s"] == pytest.approx(100 + 3 * trial.seconds, abs=0.01)
    assert (cost["gpu_s"], "repeated" in cost) == (7.0, False)


def test_epochs_that_are_trained_again_are_counted():
    trial = leased(optuna.pruners.NopPruner())
    for step in (1, 2, 3):
        trial.should_stop(1.0, step)
    second = again(trial.study, trial._trial_id)
    with second._lease:
        train(second, [2, 3, 4])
    cost = trial.study.trials[0].user_attrs[COST]
    assert cost["repeated"] == 2
    assert 0 <= cost["repeated_s"] <= second.seconds


def test_a_step_that_is_reported_twice_by_one_process_is_not_trained_twice():
    trial = leased(optuna.pruners.NopPruner())
    with trial._lease:
        train(trial, [1, 1])
    assert "repeated" not in trial.study.trials[0].user_attrs[COST]


def shared(tmp_path, pruner):
    """A trial in a journal that has a folder, and what other processes know of its values."""
    study = optuna.create_study(storage=open_storage(None, tmp_path), pruner=pruner)
    trial = again(study, study.ask()._trial_id)
    (tmp_path / "0000").mkdir()
    trial.hold_in(tmp_path / "0000")

    def seen():
        others = optuna.load_study(study_name=None, storage=open_storage(None, tmp_path))
        return sorted(others.trials[0].intermediate_values)

    return trial, seen


def test_a_value_that_no_decision_needs_is_stored_with_the_next_one_that_does(tmp_path):
    trial, seen = shared(tmp_path, AshaPruner(min_resource=1, reduction_factor=3))
    known = [(trial.should_stop(1 / step, step), seen())[1] for step in range(1, 10)]
    up_to = [1, 1, 3, 3, 3, 3, 3, 3, 9]  # rungs 1, 3, 9
    assert known == [list(range(1, last + 1)) for last in up_to]
    assert trial.n_reports == 9


def test_a_pruner_that_does_not_say_when_it_decides_has_each_value_at_once(tmp_path):
    trial, seen = shared(tmp_path, optuna.pruners.MedianPruner())
    assert [(trial.should_stop(1.0, step), seen())[1] for step in (1, 2)] == [[1], [1, 2]]


def test_a_value_waits_a_few_seconds_at_most(tmp_path, monkeypatch):
    trial, seen = shared(tmp_path, optuna.pruners.NopPruner())
    now = [100.0]
    monkeypatch.setattr(hpo.study.trial.time, "monotonic", lambda: now[0])
    trial.report(1.0, 1)
    now[0] += 4
    trial.report(1.0, 2)
    assert seen() == [1]
    now[0] += 2
    trial.report(1.0, 3)
    assert seen() == [1, 2, 3]
    trial.report(1.0, 4)
    trial._lease.after_beat()
    assert seen() == [1, 2, 3, 4]


def test_values_that_waited_are_stored_with_the_end_of_a_trial(tmp_path):
    trial, seen = shared(tmp_path, optuna.pruners.NopPruner())

    def training():
        return min(1 / step for step in (1, 2, 3) if not trial.should_stop(1 / step, step))

    with trial._lease:
        trial.live(training)
    assert seen() == [1, 2, 3]
    assert list((tmp_path / "0000").iterdir()) == []


def test_values_that_waited_when_their_worker_was_killed_are_stored_by_the_next(tmp_path):
    killed, seen = shared(tmp_path, optuna.pruners.NopPruner())
    for step, figure in ((1, 5.0), (2, 4.0), (3, 3.0)):
        killed.should_stop(1 / step, step, figures={"met": figure})
    assert seen() == [1]
    following = again(killed.study, killed._trial_id)
    following.hold_in(tmp_path / "0000")
    assert seen() == [1, 2, 3]
    assert following.user_attrs[FIGURES] == {"met": 3.0}
    assert not following.should_stop(9.0, 3)
    assert following.n_reports == 0


def test_a_value_that_cannot_wait_in_a_file_is_stored_at_once(tmp_path):
    trial, seen = shared(tmp_path, optuna.pruners.NopPruner())
    (tmp_path / "0000").rmdir()
    for step in (1, 2):
        assert not trial.should_stop(1.0, step)
    assert seen() == [1, 2]


def test_nothing_that_waited_is_written_after_the_lease_is_lost(tmp_path):
    trial, seen = shared(tmp_path, optuna.pruners.NopPruner())
    for step in (1, 2):
        trial.should_stop(1.0, step)
    trial._lease._lost.set()
    with pytest.raises(LeaseLostError):
        trial.should_stop(1.0, 3)
    with pytest.raises(LeaseLostError):
        trial._lease.after_beat()
    assert seen() == [1]


def test_a_reached_budget_gives_the_trial_back_at_its_next_report():
    study = optuna.create_study(pruner=optuna.pruners.NopPruner())
    trial_id = study.ask()._trial_id
    limits = Limits(spent=Spent(study._storage, study._study_id, Budget(epochs=2)))
    trial = LeasedTrial(study, trial_id, Lease(study._storage, trial_id, 60), limits=limits)
    stops = []

    def training():
        stops.extend(trial.should_stop(1.0, step) for step in (1, 2))
        raise optuna.TrialPruned

    with trial._lease:
        trial.live(lambda: trial.timed(training))
    assert stops == [False, True]
    (ended,) = study.trials
    assert (ended.state, ended.last_step) == (TrialState.WAITING, 2)
    assert RETRIES not in ended.system_attrs
    assert not is_paused(ended)


@pytest.mark.parametrize("final", [True, False])
def test_a_trial_that_is_pruned_or_at_its_last_epoch_ends_in_spite_of_a_reached_budget(final):
    pruner = optuna.pruners.ThresholdPruner(upper=0.5)
    study = optuna.create_study(pruner=pruner)
    trial_id = study.ask()._trial_id
    limits = Limits(spent=Spent(study._storage, study._study_id, Budget(epochs=1)))
    trial = LeasedTrial(study, trial_id, Lease(study._storage, trial_id, 60), limits=limits)
    assert trial.should_stop(1.0, 1, final=final) is not final
    assert not trial.life.given_back


def test_a_trial_knows_its_parent_and_where_its_checkpoint_is(tmp_path):
    study = optuna.create_study(study_name="s")
    home = StudyFolder(tmp_path, "s", "id")
    (home.take(0) / "checkpoint").mkdir()
    (home.of(0) / "checkpoint/state").write_text("parent's")
    study.add_trials([create_trial(state=TrialState.WAITING) for _ in range(2)])
    ticket = study.trials[1]
    study._storage.set_trial_system_attr(ticket._trial_id, PARENT, {"trial": 0, "step": 4})
    study._storage.set_trial_state_values(ticket._trial_id, TrialState.RUNNING)
    trial = LeasedTrial(study, ticket._trial_id, Lease(study._storage, ticket._trial_id, 60))
    with pytest.raises(FolderTakenError, match="trial 1: its study has no folder"):
        trial.checkpoint  # noqa: B018 - it asks for the folder
    trial.home = home
    assert trial.checkpoint.parent == trial.parent == 0
    assert trial.checkpoint.resume_from == home.of(1) / "checkpoint"
    assert (trial.checkpoint.folder / "state").read_text() == "parent's"
