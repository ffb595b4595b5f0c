"""Any sampler and pruner of Optuna works to the exact number of trials."""

import optuna
import pytest

from hpo.optimize import optimize
from hpo.search.seeded import build, complete, make_sampler, takes_turns
from hpo.search.space import parse_space

SPACE = parse_space({"x": "interval(0, 1)", "n": "range(1, 4)", "c": "choice(a, b, null)"}, [])
STEPS = parse_space({"x": "range(0, 1, 0.5)", "c": "choice(a, b, null)"}, [])  # six points
IN = "optuna.samplers."
SAMPLERS = {
    "Random": {"seed": 1},
    "TPE": {"seed": 1, "n_startup_trials": 2},
    "QMC": {"scramble": True},
    "CmaEs": {"seed": 1, "n_startup_trials": 2},
    "GP": {"seed": 1, "n_startup_trials": 3},
    "NSGAII": {"seed": 1, "population_size": 2},
    "NSGAIII": {"seed": 1, "population_size": 2},
    "Grid": {},
    "BruteForce": {},
    "PartialFixed": {
        "fixed_params": {"n": 2},
        "base_sampler": {"_target_": f"{IN}RandomSampler", "seed": 1},
    },
}
PRUNERS = {
    "Nop": {},
    "Median": {"n_startup_trials": 1},
    "Percentile": {"percentile": 25, "n_startup_trials": 1},
    "SuccessiveHalving": {},
    "Hyperband": {"max_resource": 3},
    "Threshold": {"upper": 2.4},
    "Patient": {
        "patience": 0,
        "wrapped_pruner": {"_target_": "optuna.pruners.ThresholdPruner", "upper": 2.4},
    },
    "Wilcoxon": {"p_threshold": 0.3},
}
pytestmark = pytest.mark.filterwarnings("ignore:.*CMA-ES.*")


def node(name, options):
    return {"_target_": f"{IN}{name}Sampler", **options}


def objective(trial):
    x = trial.suggest_float("x", 0, 0.5, step=0.5)
    c = trial.suggest_categorical("c", ["a", "b", None])
    for step in (1, 2, 3):
        trial.report(x + step * (c == "a") + 1 / step, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return x + (c == "a")


def states(study):
    return {t.state.name for t in study.trials}, len(study.trials)


@pytest.mark.parametrize(("name", "options"), SAMPLERS.items())
@pytest.mark.parametrize("n_workers", [1, 3])
def test_each_sampler_gives_each_trial_of_a_sweep_its_values(name, options, n_workers):
    """As workers do: a sampler for each trial, several trials at the same time."""
    space = STEPS if name in ("Grid", "BruteForce") else SPACE
    chosen = complete(node(name, options), space.distributions, "s")
    storage = optuna.storages.InMemoryStorage()
    running = []
    for number in range(6):
        sampler, _ = make_sampler(chosen, number)
        study = optuna.create_study(
            storage=storage, study_name="s", sampler=sampler, load_if_exists=True
        )
        running.append((study, study.ask()))
        space.suggest(running[-1][1])
        if len(running) == n_workers:
            told, trial = running.pop(0)
            try:
                told.tell(trial, trial.number)
            except RuntimeError:  # the space is exhausted
                assert takes_turns(sampler, space.distributions)
    assert [t.number for t in study.trials if len(t.params) == len(space.distributions)] == [
        *range(6)
    ]
    if not name.startswith("NSGA"):  # which may repeat a point
        assert len({tuple(t.params.values()) for t in study.trials}) == 6
    if name == "PartialFixed":
        assert {t.params["n"] for t in study.trials} == {2}


@pytest.mark.parametrize(("name", "options"), SAMPLERS.items())
def test_plain_optuna_runs_each_sampler_to_the_number_of_trials_and_goes_on(
    name, options, tmp_path, caplog
):
    for n_trials, possible in ((4, 4), (8, 6)):
        chosen = complete(node(name, options), STEPS.distributions, "s")
        study = optimize(
            objective,
            study_name="s",
            storage=tmp_path / "s.log",
            n_trials=n_trials,
            sampler=build(chosen),
            folder=tmp_path,
        )
        finite = name in ("Grid", "BruteForce")
        assert states(study) == ({"COMPLETE"}, possible if finite else n_trials)
    assert ("the space is exhausted: 6 of 8 trials" in caplog.text) == finite


@pytest.mark.parametrize(("name", "options"), PRUNERS.items())
def test_plain_optuna_runs_each_pruner_to_the_number_of_trials_and_goes_on(
    name, options, tmp_path
):
    for n_trials in (5, 9):
        study = optimize(
            objective,
            study_name="s",
            storage=tmp_path / "s.log",
            n_trials=n_trials,
            sampler=optuna.samplers.RandomSampler(seed=3),
            pruner=build({"_target_": f"optuna.pruners.{name}Pruner", **options}),
            folder=tmp_path,
        )
        ends, n = states(study)
        assert n == n_trials
        assert "COMPLETE" in ends <= {"COMPLETE", "PRUNED"}
    assert ("PRUNED" in ends) == (name != "Nop")


@pytest.mark.parametrize("name", ["Grid", "BruteForce"])
def test_processes_that_overlap_share_a_finite_space(name, tmp_path):
    def run(objective):
        chosen = complete(node(name, {}), STEPS.distributions, "s")
        where = {"study_name": "s", "storage": tmp_path / "s.log", "folder": tmp_path}
        return optimize(objective, **where, n_trials=10, sampler=build(chosen))

    def slow(trial):
        value = objective(trial)
        run(objective)  # another process does the rest meanwhile
        return value

    study = run(slow)
    assert states(study) == ({"COMPLETE"}, 6)
    assert len({tuple(t.params.values()) for t in study.trials}) == 6
