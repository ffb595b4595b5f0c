import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from hpo.attributes import LOSSES, WORKER
from hpo.budgets import Budget
from hpo.settings import SettingError
from hpo.study import spent as module
from hpo.study.spent import Spent, check_countable


@pytest.fixture
def study():
    return optuna.create_study()


def spent(study, clock=lambda: 0.0, **budget):
    return Spent(study._storage, study._study_id, Budget(**budget), clock)


def add(study, value, n_epochs=1, state=TrialState.COMPLETE, **attributes):
    study.add_trial(
        create_trial(
            state=state,
            value=value if state == TrialState.COMPLETE else None,
            params={"x": 0.0},
            distributions={"x": FloatDistribution(0, 1)},
            intermediate_values=dict.fromkeys(range(1, n_epochs + 1), 1.0),
            user_attrs=attributes,
        )
    )


def add_bounded(study, value, excess):
    study.add_trial(create_trial(value=value, system_attrs={"constraints:gb": excess}))


def test_a_trial_beyond_a_constraint_reaches_no_target_and_resets_no_patience(study):
    add_bounded(study, 0.1, excess=1.0)
    assert spent(study, target=0.5).reached() is None
    add_bounded(study, 0.4, excess=-1.0)
    assert spent(study, target=0.5).reached().how == "trial 1: 0.4"
    add_bounded(study, 0.2, excess=1.0)
    assert spent(study, patience_trials=1).reached().how == "1 trials since the best, trial 1"


def worker(hours, **more):
    return {"start": 0.0, "end": hours * 3600.0, "busy_s": 0.0, **more}


def test_epochs_of_all_trials_count_whether_they_are_finished_or_not(study):
    add(study, 1.0, 3)
    add(study, None, 2, TrialState.PRUNED)
    add(study, None, 1, TrialState.FAIL)
    running = study.ask()
    looked = spent(study, epochs=8)
    assert looked.reached() is None
    for step in (1, 2):
        running.report(1.0, step)
    assert looked.reached().text("hpo.budget") == "hpo.budget.epochs=8 (8 reported)"
    assert spent(study, epochs=9).reached() is None


def test_one_process_ends_at_the_exact_epoch_although_it_looks_seldom(study):
    now = iter(range(1000))
    looked = spent(study, clock=lambda: float(next(now)) / 1e3, epochs=3)
    assert looked.reached() is None  # the next look is due much later
    trial, answers = study.ask(), []
    for step in (1, 2, 3):
        trial.report(1.0, step)
        answers.append(looked.reached_after_report())
    assert [answer is not None for answer in answers] == [False, False, True]


def test_epochs_that_others_may_have_reported_meanwhile_are_looked_for(study):
    trial, other = study.ask(), study.ask()
    looked = spent(study, clock=lambda: 0.0, epochs=5)
    looked.reached()
    looked._next_look = 1e9  # only the count of epochs makes it look
    for step in (1, 2):
        trial.report(1.0, step)
        other.report(1.0, step)
        assert looked.reached_after_report() is None
    other.report(1.0, 3)
    trial.report(1.0, 3)  # 3 of its own; with as many of the other, 6 of 5
    assert looked.reached_after_report().how == "6 reported"


def test_after_a_look_the_next_one_waits_fifty_times_as_long_as_it_took(study, monkeypatch):
    now, looks = [0.0], []

    def look(self):
        looks.append(now[0])
        now[0] += 2.0
        return []

    monkeypatch.setattr(module.View, "look", look)
    looked = spent(study, clock=lambda: now[0], target=0.0)
    looked.reached()
    for now[0] in (50.0, 101.0, 102.0, 103.0):
        looked.reached_after_report()
    assert looks == [0.0, 102.0]


@pytest.mark.parametrize(
    ("direction", "target", "is_reached"),
    [("minimize", 0.5, True), ("minimize", 0.4, False), ("maximize", 0.9, True),
     ("maximize", 0.91, False)],
)  # fmt: skip
def test_a_target_is_reached_by_a_complete_trial(direction, target, is_reached):
    study = optuna.create_study(direction=direction)
    add(study, 0.5)
    add(study, 0.9)
    trial = study.ask()
    trial.report(0.0 if direction == "minimize" else 9.0, 1)  # it may still end elsewhere
    reached = spent(study, target=target).reached()
    assert (reached is not None) is is_reached


def test_of_several_objectives_the_first_one_has_the_target():
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.tell(study.ask(), [0.5, 0.1])
    assert spent(study, target=0.5).reached().how == "trial 0: 0.5"
    assert spent(study, target=0.6).reached() is None


def test_patience_ends_after_so_many_trials_that_were_not_better(study):
    looked = spent(study, patience_trials=3)
    add(study, None, 2, TrialState.PRUNED)  # there is nothing yet to improve
    add(study, 1.0)
    add(study, 1.0)  # equal is not better
    add(study, None, 1, TrialState.PRUNED)
    assert looked.reached() is None
    add(study, 0.9)
    for _ in range(2):
        add(study, 2.0)
    add(study, None, 1, TrialState.FAIL)
    add(study, None, 0, TrialState.PRUNED)
    assert looked.reached() is None
    add(study, None, 1, TrialState.PRUNED)
    assert looked.reached().how == "3 trials since the best, trial 4"
    add(study, 0.1)  # one that was running comes out better: there is progress again
    assert looked.reached() is None


def test_trials_that_report_nothing_count_when_they_are_complete(study):
    add(study, 1.0)
    add(study, 2.0, 0)
    assert spent(study, patience_trials=1).reached().how == "1 trials since the best, trial 0"


@pytest.mark.parametrize(
    ("name", "used", "more"),
    [
        ("core_hours", 6.0, {"cores": 2, "gpus": 0.5}),
        ("gpu_hours", 1.5, {"cores": 2, "gpus": 0.5}),
        ("energy_kwh", 3.0, {"cpu_j": 3.6e6, "gpu_j": 7.2e6}),
    ],
)
def test_hours_and_energy_of_all_workers_count(study, name, used, more):
    study.set_user_attr(WORKER + "a", worker(2, **more))
    study.set_user_attr(
        WORKER + "b", worker(1, cores=more.get("cores", 1), gpus=more.get("gpus", 0))
    )
    reached = spent(study, **{name: used}).reached()
    assert (reached.name, reached.how) == (name, f"{used:g} used")
    assert spent(study, **{name: used + 0.01}).reached() is None


def test_a_process_counts_its_own_time_as_it_is_now(study):
    study.set_user_attr(WORKER + "a", worker(1))
    hours = [1.0]
    looked = spent(study, core_hours=3)
    looked.own("a", lambda: worker(hours[0]))
    assert looked.reached() is None
    hours[0] = 3.0
    assert looked.reached().name == "core_hours"


def test_a_worker_that_died_counts_until_its_last_heartbeat(study):
    study.set_user_attr(WORKER + "a", worker(1))
    loss = {"worker": "a", "until": 4 * 3600.0, "held_s": 9.0, "lost_s": 9.0}
    add(study, 1.0, **{LOSSES: [loss]})
    assert spent(study, core_hours=4).reached().how == "4 used"


def test_energy_that_nobody_can_read_never_ends_a_sweep_and_is_noticed(study):
    looked = spent(study, energy_kwh=1e-9)
    assert (looked.reached(), looked.is_blind) == (None, False)  # there is no worker yet
    study.set_user_attr(WORKER + "a", worker(1))
    assert (looked.reached(), looked.is_blind) == (None, True)


def test_without_a_budget_the_study_is_not_read():
    assert Spent(None, 0, Budget()).reached() is None


def test_a_budget_that_could_never_be_reached_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr("commons.energy._POWERCAP", tmp_path)
    check_countable(Budget(gpu_hours=1.0), ["0"])
    with pytest.raises(SettingError, match=r"budget.gpu_hours=1: no GPU is used"):
        check_countable(Budget(gpu_hours=1.0), [])
    with pytest.raises(SettingError, match=r"budget.energy_kwh=2: no energy can be read here"):
        check_countable(Budget(energy_kwh=2.0), [])
    (tmp_path / "intel-rapl:0").mkdir()
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("1")
    check_countable(Budget(energy_kwh=2.0), [])
