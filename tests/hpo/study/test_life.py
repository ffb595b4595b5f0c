"""The same bad objectives in Hydra's worker and in `hpo.optimize` end in the same way."""

import math
import os
import signal
import sys

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

import hpo
from hpo.attributes import LEASE, PAUSED, RETRIES
from hpo.optimize import optimize
from hpo.search.pausing import Decision
from hpo.search.promotion import PromotionPruner
from hpo.storage.opening import open_storage
from hpo.study.lease import LeaseLostError
from hpo.study.life import Life, as_number

NEVER_PROMOTES = {"min_resource": 1, "reduction_factor": 1000}


def raises(error):
    def objective(trial):
        raise error

    return objective


def returns(value):
    return lambda trial: value


def reports(value, step):
    def objective(trial):
        trial.report(value, step)
        return 0.5

    return objective


def stops(value, step):
    """As `hpo.report_value` does it."""

    def objective(trial):
        if trial.should_stop(value, step):
            raise optuna.TrialPruned
        return 0.5

    return objective


def paused_then(end):
    def objective(trial):
        assert trial.should_stop(0.75, 1)
        return end(trial)

    return objective


def taken_by_another(end):
    """Another worker takes the trial over and finishes it; `end` tries to go on with it."""

    def objective(trial):
        storage = trial.study._storage
        storage.set_trial_system_attr(trial._trial_id, LEASE, {"id": "another"})
        storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [0.125])
        return end(trial)

    return objective


def given_back_by_another(trial):
    """The lease has expired and the trial waits again; its next owner may finish it."""
    if trial.user_attrs.get("before"):
        return 0.25
    trial.set_user_attr("before", 1)
    storage = trial.study._storage
    storage.set_trial_system_attr(trial._trial_id, LEASE, {"released": 0})
    storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
    return 0.5


def ignores_the_loss(trial):
    with pytest.raises(LeaseLostError):
        trial.report(0.5, 1)
    return 0.5


def wraps_the_loss(trial):
    try:
        trial.set_user_attr("late", 1)
    except LeaseLostError as error:
        raise RuntimeError("cannot save") from error


def not_a_number(shown):
    return "FAIL", None, {"fail_reason": f"the task returned {shown}, not a number"}


def failed(reason):
    return "FAIL", None, {"fail_reason": reason}


def diverged(where, value=None):
    return "PRUNED", value, {"diverged": where}


def bad_step(step):
    return failed(f"ValueError: step must be a whole number of at least 0, got {step!r}")


TAKEN = ("COMPLETE", 0.125, {})
# By name: what the objective does; the state, the value and the attributes of its trial.
CASES = {
    "a number": (returns(0.5), ("COMPLETE", 0.5, {})),
    "numpy's number": (returns(np.float32(0.25)), ("COMPLETE", 0.25, {})),
    "an array of no dimension": (returns(np.array(2)), ("COMPLETE", 2.0, {})),
    "NaN": (returns(math.nan), diverged("end")),
    "infinity": (returns(-math.inf), diverged("end")),
    "FloatingPointError": (raises(FloatingPointError("overflow")), diverged("overflow")),
    "NaN reported": (reports(math.nan, 2), diverged(2)),
    "infinity reported": (stops(math.inf, 3), diverged(3)),
    "None": (returns(None), not_a_number("None")),
    "text": (returns("0.5"), not_a_number("'0.5'")),
    "bytes": (returns(b"0.5"), not_a_number("b'0.5'")),
    "True": (returns(True), not_a_number("True")),
    "numpy's truth": (returns(np.False_), not_a_number(repr(np.False_))),
    "a list": (returns([0.5]), not_a_number("[0.5]")),
    "complex": (returns(1j), not_a_number("1j")),
    "numpy's complex": (returns(np.array(1j)), not_a_number("array(0.+1.j)")),
    "an exception": (raises(RuntimeError("no luck")), failed("RuntimeError: no luck")),
    "sys.exit": (lambda trial: sys.exit(3), failed("the task called sys.exit(3)")),
    "prunes itself": (raises(optuna.TrialPruned()), ("PRUNED", None, {})),
    "paused by TrialPruned": (paused_then(raises(optuna.TrialPruned())), ("PRUNED", 0.75, {})),
    "paused, a value": (paused_then(returns(0.5)), ("PRUNED", 0.75, {})),
    "paused, None": (paused_then(returns(None)), ("PRUNED", 0.75, {})),
    "paused, an exception": (paused_then(raises(KeyError("x"))), failed("KeyError: 'x'")),
    "paused, then NaN": (paused_then(reports(math.nan, 2)), diverged(2, 0.75)),
    "negative step": (reports(0.5, -3), bad_step(-3)),
    "negative step of a stop": (stops(0.5, -1), bad_step(-1)),
    "True as step": (reports(0.5, True), bad_step(True)),
    "half a step": (stops(0.5, 1.5), bad_step(1.5)),
    "text as step": (reports(0.5, "3"), bad_step("3")),
    "text reported": (
        reports("0.5", 1),
        failed("TypeError: a reported value must be a number, got '0.5'"),
    ),
    "lost, not noticed": (taken_by_another(returns(0.5)), TAKEN),
    "lost, at a report": (taken_by_another(reports(0.5, 1)), TAKEN),
    "lost, swallowed": (taken_by_another(ignores_the_loss), TAKEN),
    "lost, wrapped": (taken_by_another(wraps_the_loss), TAKEN),
    "lost, another exception": (taken_by_another(raises(ValueError("x"))), TAKEN),
    "lost, an exit": (taken_by_another(lambda trial: sys.exit(1)), TAKEN),
    "lost, given back": (given_back_by_another, ("COMPLETE", 0.25, {"before": 1})),
}


def worker(run, objective, folder, n_trials):
    """Run a sweep in this process; return its study."""
    options = {"n_trials": n_trials, "max_failure_rate": 1, "max_retries": 1}
    options |= {f"pruner.{name}": value for name, value in NEVER_PROMOTES.items()}
    settings = [f"hydra.sweeper.{name}={value}" for name, value in options.items()]
    run.module.train = lambda cfg: objective(hpo.current_trial())
    code = run("-m", "hydra/sweeper/pruner=promotion", "hydra.sweep.dir=sweep", *settings)[0]
    study = optuna.load_study(study_name="toy", storage=open_storage(None, folder / "sweep"))
    return study, code


def plain(run, objective, folder, n_trials):
    """Run `hpo.optimize` in this process; return its study."""
    settings = {"study_name": "s", "storage": folder / "plain.log", "folder": folder}
    pruner, code = PromotionPruner(**NEVER_PROMOTES), 0
    try:
        optimize(objective, n_trials=n_trials, pruner=pruner, max_retries=1, **settings)
    except KeyboardInterrupt:
        code = 130
    study = optuna.load_study(study_name="s", storage=open_storage(settings["storage"], folder))
    return study, code


def with_x(objective):
    def suggesting(trial):
        trial.suggest_float("x", -1, 1)
        return objective(trial)

    return suggesting


def end_of(trial):
    """What both leave of a trial, but for the time and the worker's own record."""
    own = ("seconds", "run", "code", "cost", "losses")
    attributes = {k: v for k, v in trial.user_attrs.items() if k not in own}
    return trial.state.name, trial.value, attributes


@pytest.fixture(scope="module")
def ends(toy_in, tmp_path_factory):
    """The trial of each case, as the worker and as `optimize` leave it."""
    objectives = [objective for objective, _ in CASES.values()]
    found = []
    for way in (worker, plain):
        folder = tmp_path_factory.mktemp(way.__name__)
        with toy_in(folder) as run:
            objective = with_x(lambda trial: objectives[trial.number](trial))
            study, code = way(run, objective, folder, len(CASES))
        assert code == 0
        found.append(study.trials)
    return dict(zip(CASES, zip(*found, strict=True), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_a_trial_ends_the_same_way_in_the_worker_and_in_plain_optuna(ends, case):
    in_worker, in_plain = ends[case]
    assert end_of(in_worker) == CASES[case][1]
    assert end_of(in_plain) == CASES[case][1]
    assert ("seconds" in in_worker.user_attrs) is ("seconds" in in_plain.user_attrs)
    assert ("seconds" in in_worker.user_attrs) is (CASES[case][1] is not TAKEN)
    for name in (RETRIES, PAUSED):
        assert in_worker.system_attrs.get(name) == in_plain.system_attrs.get(name)
    assert RETRIES not in in_worker.system_attrs
    assert in_worker.intermediate_values == in_plain.intermediate_values


def exits_after_a_signal(trial):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    except KeyboardInterrupt:
        sys.exit(1)


def interrupted_after_a_step(trial):
    trial.report(0.5, 1)
    raise KeyboardInterrupt


@pytest.mark.parametrize("way", [worker, plain])
@pytest.mark.parametrize(
    ("objective", "retries"),
    [
        (raises(KeyboardInterrupt), 1),
        (interrupted_after_a_step, None),
        (exits_after_a_signal, 1),
    ],
)
def test_an_interruption_gives_the_trial_back_and_ends_the_work(
    toy, tmp_path, way, objective, retries
):
    study, code = way(toy, with_x(objective), tmp_path, 2)
    assert code == 130
    assert [trial.state.name for trial in study.trials] == ["WAITING", "WAITING"]
    assert study.trials[0].system_attrs.get(RETRIES) == retries
    assert "seconds" in study.trials[0].user_attrs
    assert "fail_reason" not in study.trials[0].user_attrs
    finished, code = way(toy, with_x(returns(0.5)), tmp_path, 2)
    assert code == 0
    assert [trial.value for trial in finished.trials] == [0.5, 0.5]


@pytest.mark.parametrize("way", [worker, plain])
def test_a_trial_whose_process_vanishes_is_taken_over_until_it_has_been_tried_too_often(
    toy, tmp_path, way
):
    def vanishes(trial):
        if trial.number == 0:
            os._exit(7)
        return 0.5

    for _ in range(2):
        child = os.fork()
        if child == 0:
            way(toy, with_x(vanishes), tmp_path, 2)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    study, code = way(toy, with_x(vanishes), tmp_path, 2)
    assert code == 0
    gone, done = study.trials
    assert end_of(gone) == failed("its worker died, or made no progress, 2 times")
    assert gone.system_attrs[RETRIES] == 2
    assert (done.state.name, done.value) == ("COMPLETE", 0.5)


def test_a_lost_lease_is_one_line_of_information(tmp_path, caplog):
    with caplog.at_level("INFO"):
        plain(None, taken_by_another(raises(ValueError("x"))), tmp_path, 1)
    about = [record for record in caplog.records if "trial 0" in record.getMessage()]
    assert [record.levelname for record in about] == ["INFO"]
    assert "Traceback" not in caplog.text


def test_a_decision_to_prune_stays_and_a_pause_ends_with_the_next_decision():
    life = Life()
    life.decide(Decision.PAUSE, 1)
    assert life.returned(0.5).state is TrialState.WAITING
    life.decide(Decision.GO_ON, 2)
    assert life.returned(0.5).state is TrialState.COMPLETE
    life.decide(Decision.PRUNE, 3)
    life.decide(Decision.PAUSE, 4)
    assert life.returned(0.5).state is TrialState.PRUNED


def test_a_number_of_another_library_is_a_number():
    class Tensor:
        dtype = "torch.float32"

        def __float__(self):
            return 0.5

    assert as_number(Tensor()) == 0.5
    Tensor.dtype = "torch.bool"
    assert as_number(Tensor()) is None
    assert as_number(10**400) is None
