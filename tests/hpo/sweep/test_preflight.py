"""Mistakes are told in one line, with the key that was typed, before anything is created."""

import sys
import threading

import optuna
import pytest
import yaml
from hydra import initialize
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.types import HydraContext, RunMode

from hpo.hydra_internals import OverridesParser

APP = """
defaults:
  - model: small
  - _self_
  - override hydra/sweeper: optuna_async
  - override hydra/launcher: hpo_local
x: 0.0
text: none
copy: ${x}
needed: here
list: [1, 2]
budget: {trials: 2, pruner: null, account: null}
hydra:
  sweep: {dir: sweep}
  sweeper:
    n_trials: ${budget.trials}
    n_workers: 1
    pruner: ${budget.pruner}
    params: {x: "interval(0, 1)"}
"""


def refuse(cfg):
    """The application's own check, named by `hydra.sweeper.preflight`."""
    if cfg.model.name == "large" and cfg.text == "none":
        raise ValueError("text: a large model needs one")


def wild(cfg, trial):
    trial.suggest_float("mdel.depth", 0, 1)


def keeps_its_depth(before, after):
    """The application's own check, named by `hydra.sweeper.preflight_change`."""
    assert "hydra" not in after
    if before.model != after.model:
        raise ValueError("model.depth: the weights would not fit")


class Failing(optuna.samplers.RandomSampler):
    def sample_independent(self, *arguments):
        raise KeyError("no such grid")


class Undecided(optuna.pruners.NopPruner):
    def prune(self, study, trial):
        raise RuntimeError("no forecast")


def broken(cfg, trial):
    raise RuntimeError("no space")


@pytest.fixture
def sweep(tmp_path, monkeypatch, capsys):
    """Runs the sweeper of an application in this process; returns exit code and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(Singleton, "_instances", dict(Singleton._instances))
    store = ConfigStore.instance()
    monkeypatch.setattr(store, "repo", dict(store.repo))
    store.store(name="app", node=yaml.safe_load(APP))
    for name in ("small", "large"):
        store.store(group="model", name=name, node={"name": name, "depth": 1})
    store.store(group="model", name="torn", node={"name": "${no.such.key}", "depth": 1})

    def run(*overrides, task=lambda cfg: 0.0):
        with initialize(None, version_base="1.3"):
            loader = GlobalHydra.instance().config_loader()
            config = loader.load_configuration("app", list(overrides), RunMode.MULTIRUN)
            HydraConfig.instance().set_config(config)
            from hydra._internal.callbacks import Callbacks

            parsed = OverridesParser.create().parse_overrides(list(overrides))
            arguments = [o.input_line for o in parsed if not o.is_hydra_override()]
            try:
                sweeper = Plugins.instance().instantiate_sweeper(
                    config=config,
                    hydra_context=HydraContext(loader, Callbacks(config)),
                    task_function=task,
                )
                sweeper.sweep(arguments)
                code = 0
            except SystemExit as error:
                code = error.code
        return code, capsys.readouterr().err

    return run


HERE = __name__
MISTAKES = [
    # keys and options of a trial
    (["mdel.depth=choice(1,2)"], "mdel.depth: no such key", "did you mean model.depth?"),
    (["model.dept=1,2"], "model.dept: no such key", "did you mean model.depth?"),
    (["list.7=choice(1,2)"], "list.7: no such key"),
    (["model=choice(small,lrage)"], "model=lrage: no such option", "did you mean large?"),
    (["hydra.sweeper.params={model: 'choice(small,null)'}"], "model=null: no such option"),
    (["model=choice(small,torn)"], "model.name: ", "no.such.key"),
    (["+extra=${x.y.z}"], "extra: ", "x.y.z"),
    (["copy=${tex}"], "copy: ", "did you mean text?"),
    (["needed=???"], "needed: a value is needed", "needed=VALUE"),
    (["text=${oc.env:NO_SUCH_VARIABLE}"], "text: ", "NO_SUCH_VARIABLE"),
    (["+hydra.job.env_set.A='${nowhere}'"], "hydra.job.env_set.A: ", "nowhere"),
    (["hydra.sweeper.params.x='interval(2,1)'"], "x=interval(2,1): "),
    (["hydra.sweeper.params.x='interval(2,'"], "x: "),
    (["hydra.sweeper.params.y=7"], "y: no such key"),
    (["hydra.sweeper.params=text"], "hydra.sweeper.params must be a mapping", "text"),
    (["x=1"], "nothing to search", "hydra.sweeper.params"),
    # settings of the sweeper
    (["budget.trials=ten"], "budget.trials must be a whole number, got 'ten'"),
    (["hydra.sweeper.n_trials=-1"], "hydra.sweeper.n_trials must be at least 1, got -1"),
    (["hydra.sweeper.n_trails=5"], "hydra.sweeper.n_trails: no such", "did you mean n_trials?"),
    (["hydra.sweeper.lease_s=abc"], "hydra.sweeper.lease_s must be a number, got 'abc'"),
    (["hydra.sweeper.direction=up"], "hydra.sweeper.direction must be minimize or maximize"),
    # parts
    (["budget.pruner=5"], "budget.pruner must be null or a mapping with _target_, got 5"),
    (["hydra.sweeper.pruner=asha"], "hydra.sweeper.pruner must be", "hydra/sweeper/pruner=asha"),
    (
        ["hydra.sweeper.pruner={_target_: optuna.pruners.MedianPrunr}"],
        "hydra.sweeper.pruner: ",
        "did you mean MedianPruner?",
    ),
    (
        ["hydra.sweeper.pruner={_target_: hpo.AshaPruner, ranking: {_target_: math.cso}}"],
        "hydra.sweeper.pruner: math.cso: math has no cso; did you mean cos",
    ),
    (
        ["hydra.sweeper.pruner={_target_: optuna.pruners.MedianPruner, n_startup: 1}"],
        "hydra.sweeper.pruner: ",
        "n_startup",
    ),
    (
        ["hydra.sweeper.sampler={_target_: no_such_package.Sampler}"],
        "hydra.sweeper.sampler: the package no_such_package is not installed",
        "pip install no_such_package",
    ),
    (["hydra.sweeper.sampler={depth: 1}"], "hydra.sweeper.sampler: ", "depth"),
    (["hydra.sweeper.custom_search_space=no.such"], "hydra.sweeper.custom_search_space: "),
    ([f"hydra.sweeper.custom_search_space={HERE}.broken"], "hydra.sweeper.custom_", "no space"),
    ([f"hydra.sweeper.custom_search_space={HERE}.wild"], "mdel.depth: no such key"),
    (["hydra.sweeper.preflight=no.such.function"], "hydra.sweeper.preflight: "),
    (
        [f"hydra.sweeper.preflight={HERE}.refuse", "model=choice(small,large)"],
        "text: a large model needs one",
    ),
    (["hydra.sweeper.enqueue=[nowhere]"], "hydra.sweeper.enqueue: nowhere: no such journal file"),
    (["hydra.sweeper.earlier_studies=[old]"], "hydra.sweeper.earlier_studies: no such setting"),
    # launchers
    (["hydra.launcher.grace=5"], "hydra.launcher.grace: no such", "did you mean grace_s?"),
    (["hydra/launcher=hpo_slurm"], "SLURM: no sbatch and no srun on PATH", "dry_run=true"),
    (["hydra/launcher=hpo_slurm", "hydra.launcher.needs_account=true"], "hydra.launcher.account"),
    # storage and folders
    (["hydra.sweeper.storage=7"], "hydra.sweeper.storage must be null, a path, a URL or", "7"),
    (["hydra.sweeper.storage={url: x}"], "hydra.sweeper.storage must be null, a path", "url"),
    (["hydra.sweeper.storage=/dev/null"], "hydra.sweeper.storage: /dev/null is no ordinary file"),
    (["hydra.sweeper.storage='nonsense://host/db'"], "hydra.sweeper.storage: "),
    (["hydra.sweeper.storage='grpc://host'"], "hydra.sweeper.storage: ", "grpc://host:port"),
    (["hydra.sweeper.storage='postgresql://localhost:1/x'"], "hydra.sweeper.storage: "),
    (["hydra.sweep.dir=/dev/null/x"], "hydra.sweep.dir=/dev/null/x: /dev/null is a file"),
    (["hydra.sweep.dir=/proc/x"], "hydra.sweep.dir=/proc/x: "),
    (["hydra.sweep.dir=${nowhere}"], "hydra.sweep.dir: ", "nowhere"),
]


@pytest.mark.parametrize(("overrides", "told"), [(o, told) for o, *told in MISTAKES])
def test_a_mistake_is_one_line_that_names_the_key_and_leaves_nothing(
    sweep, tmp_path, overrides, told
):
    code, error = sweep(*overrides)
    assert (code, error.count("\n")) == (2, 1), error
    for text in told:
        assert text in error
    assert list(tmp_path.iterdir()) == []


def test_the_traceback_is_shown_to_who_asks_for_it(sweep, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    code, error = sweep("mdel.depth=choice(1,2)")
    assert code == 2
    assert "Traceback" in error
    assert error.splitlines()[-1].startswith("mdel.depth: no such key")


@pytest.mark.parametrize(
    ("name", "part", "told"),
    [
        ("sampler", "Failing", "hydra.sweeper.sampler: KeyError: 'no such grid'"),
        ("pruner", "Undecided", "hydra.sweeper.pruner: RuntimeError: no forecast"),
    ],
)
def test_parts_are_asked_once_before_the_study_is_there(sweep, tmp_path, name, part, told):
    plain = {"sampler": "hydra/sweeper/sampler=random", "pruner": "hydra/sweeper/pruner=none"}
    node = f"hydra.sweeper.{name}={{_target_: {HERE}.{part}}}"
    code, error = sweep(plain[name], node)
    assert (code, error) == (2, f"{told}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_cannot_change_in_a_training_is_told_before_a_population_begins(
    sweep, tmp_path
):
    checked = f"hydra.sweeper.preflight_change={HERE}.keeps_its_depth"
    population = "budget.pruner={_target_: hpo.PopulationPruner, population: 4}"
    depths = "model.depth=choice(1,2)"
    code, error = sweep(checked, population, depths)
    assert (code, error) == (2, "model.depth: the weights would not fit\n")
    assert list(tmp_path.iterdir()) == []
    assert sweep(checked, population)[0] == 0
    assert sweep(checked, depths, "hydra.sweep.dir=other")[0] == 0  # not a population


def test_a_missing_package_is_told_with_its_extra(sweep, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    code, error = sweep("hydra/sweeper/sampler=gp")
    assert code == 2
    assert error == (
        "hydra.sweeper.sampler: the package torch is not installed: pip install 'mlpf-hpo[gp]'\n"
    )


def test_options_of_groups_are_composed_once_each_and_in_bounds(sweep, monkeypatch):
    seen = []
    monkeypatch.setattr("hpo.sweep.preflight._check_values", lambda cfg, _: seen.append(cfg.model))
    monkeypatch.setattr("hpo.sweep.preflight._MAX_COMPOSED", 2)
    sweep("model=choice(small,large,torn)", "hydra.sweeper.storage='nonsense://'")
    assert [model.name for model in seen] == ["small", "large"]


def test_a_variable_that_workers_elsewhere_may_have_is_a_warning(sweep, caplog):
    elsewhere = ("hydra/launcher=hpo_slurm", "hydra.launcher.dry_run=true")
    code, error = sweep(*elsewhere, "text=${oc.env:NO_SUCH_VARIABLE}")
    assert code == 0, error
    assert "NO_SUCH_VARIABLE" in caplog.text


def test_a_task_that_cannot_be_sent_to_a_worker_is_told(sweep, tmp_path):
    lock = threading.Lock()
    code, error = sweep(task=lambda cfg: lock.locked())
    assert (code, error.count("\n")) == (2, 1)
    assert error.startswith("the application cannot be sent to a worker: TypeError: cannot pickle")
    assert list(tmp_path.iterdir()) == []
