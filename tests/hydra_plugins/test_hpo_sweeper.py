"""What the plug-in registers: settings, and one list of samplers and pruners for everybody."""

import subprocess
import sys
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path

import optuna
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

import hydra_plugins.hpo_sweeper as plugin
from hpo.launch.options import LocalOptions
from hpo.launch.slurm.options import SlurmOptions
from hpo.search.seeded import build, complete
from hpo.settings import SweepSettings

CONF = Path(__file__).parents[2] / "conf"
LISTS = [
    ("sampler", plugin._SAMPLERS),
    ("pruner", plugin._PRUNERS),
]
OPTIONS = [(kind, name) for kind, nodes in LISTS for name in nodes]
OF_HYDRA = {"_target_", "_recursive_", "_convert_"}


def names(kind):
    return {field.name for field in fields(kind)}


def keys(file, node):
    config = OmegaConf.load(CONF / file)
    return set(OmegaConf.select(config, node))


@pytest.mark.parametrize(
    ("registered", "settings", "more"),
    [
        (plugin.SWEEPER, SweepSettings, {"n_jobs"}),
        (plugin.LOCAL, LocalOptions, set()),
        (plugin.SLURM, SlurmOptions, set()),
    ],
)
def test_a_setting_is_written_down_once_and_registered_with_the_same_default(
    registered, settings, more
):
    assert set(registered) - OF_HYDRA == names(settings) | more
    ours = OmegaConf.to_container(OmegaConf.structured(settings))
    theirs = OmegaConf.to_container(registered)
    # The keys of the budget are written out: a user sets them one by one.
    assert {k for k in ours if ours[k] != theirs[k]} <= {"study_name", "budget"}


def test_the_configuration_of_mlpf_knows_no_setting_that_does_not_exist():
    assert keys("hpo/_sweep.yaml", "hydra.sweeper") <= names(SweepSettings)
    assert keys("hpo/_sweep.yaml", "hpo") <= names(SweepSettings) | {
        *("gpus_per_trial", "note_figures")
    }
    assert keys("launcher/_slurm.yaml", "hydra.launcher") == names(SlurmOptions)
    assert keys("launcher/_slurm.yaml", "launcher") == names(SlurmOptions) - {"gpus_per_trial"}
    assert keys("launcher/local.yaml", "hydra.launcher") == names(LocalOptions)


@pytest.mark.parametrize(("kind", "nodes"), LISTS)
def test_mlpf_offers_the_samplers_and_pruners_of_every_application(kind, nodes):
    files = {file.stem: file for file in (CONF / "hpo" / kind).glob("*.yaml")}
    assert set(files) == set(nodes)
    for name, file in files.items():
        if file.is_symlink():
            assert file.resolve() == CONF.parent / f"hpo/conf/{kind}/{name}.yaml"
        elif kind == "sampler":  # all keys are written out: a reader sees and compares them there
            written = OmegaConf.to_container(OmegaConf.load(file))
            assert written == {**nodes[name], "seed": "${seed}"}
        else:
            extended = OmegaConf.load(file)
            assert extended.pop("defaults") == [{f"/hydra/sweeper/{kind}@_here_": name}, "_self_"]
            assert set(extended) <= {"max_resource", "forecaster", "seed"}


def composed(monkeypatch, *overrides):
    config = {"defaults": ["_self_", {"override hydra/sweeper": "optuna_async"}], "x": 0}
    monkeypatch.setattr(ConfigStore.instance(), "repo", dict(ConfigStore.instance().repo))
    ConfigStore.instance().store(name="app", node=config)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("app", list(overrides), return_hydra_config=True).hydra


@pytest.mark.parametrize(("kind", "name"), OPTIONS)
def test_any_application_can_build_each_option(kind, name, monkeypatch):
    node = composed(monkeypatch, f"hydra/sweeper/{kind}={name}").sweeper[kind]
    for part in (node, node.get("forecaster")):
        if part is not None and OmegaConf.is_missing(part, "max_resource"):
            part.max_resource = 27
    base = {"sampler": optuna.samplers.BaseSampler, "pruner": optuna.pruners.BasePruner}
    built = OmegaConf.to_container(node)
    if kind == "sampler":
        assert built["seed"] is None
        built = complete(built, {"x": optuna.distributions.IntDistribution(1, 2)}, "s")
    assert isinstance(build(built), base[kind])


def test_tpe_means_the_same_everywhere():
    for node in (plugin._SAMPLERS["tpe"], plugin._SAMPLERS["diverse_tpe"]["sampler"]):
        assert node["_target_"] == "hpo.TPESampler"
        assert node["multivariate"]
        assert node["constant_liar"]


def test_qsvr_is_svr_with_another_regression(monkeypatch):
    svr, qsvr = (
        OmegaConf.to_container(
            composed(monkeypatch, f"hydra/sweeper/pruner={name}").sweeper.pruner
        )
        for name in ("svr", "qsvr")
    )
    assert {key for key in svr if svr[key] != qsvr[key]} == {"_target_", "regressor"}


@pytest.mark.parametrize(
    ("given", "n_workers"),
    [({}, None), ({"n_jobs": 3}, 3), ({"n_jobs": 3, "n_workers": 2}, 2), ({"n_workers": 2}, 2)],
)
def test_n_jobs_is_another_name_of_n_workers(monkeypatch, given, n_workers):
    seen = []
    monkeypatch.setattr("hpo.sweep.place.settle", lambda _: {})
    monkeypatch.setattr("hpo.sweep.parts.replace_parts", lambda *_: {})
    monkeypatch.setattr("hpo.sweep.sweep.sweep", lambda settings, *_: seen.append(settings))
    sweeper = plugin.OptunaAsyncSweeper(study_name="s", **given)
    sweeper.setup(hydra_context=None, task_function=None, config=OmegaConf.create())
    sweeper.sweep([])
    assert seen[0].n_workers == n_workers


def test_a_start_of_hydra_imports_nothing_heavy():
    code = (
        "import sys, hydra_plugins.hpo_sweeper; "
        "print({'optuna', 'numpy', 'submitit', 'torch', 'rich', 'cloudpickle'} & {*sys.modules})"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"


def test_settings_of_both_sides_are_named_as_they_were_typed(monkeypatch):
    keys = {"n_workers": "${hpo.n_workers}", "gpus_per_trial": "${hpo.gpus}"}
    sections = {"sweeper": {"n_workers": keys["n_workers"]}, "launcher": dict(keys)}
    launcher = plugin.LocalLauncher(workers_per_gpu=2)
    config = OmegaConf.create({"hydra": sections})
    launcher.setup(hydra_context=None, task_function=None, config=config)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(plugin.SweepError) as error:
        launcher.n_workers(5)
    assert str(error.value) == (
        "hpo.n_workers=5 is too many: 2 GPUs at hpo.gpus=1 have room for 4; raise "
        "hydra.launcher.workers_per_gpu, or train without GPUs: hpo.gpus=0"
    )


def test_its_old_search_space_joins_the_parameters(monkeypatch):
    seen = []
    monkeypatch.setattr("hpo.sweep.place.settle", lambda _: {})
    monkeypatch.setattr("hpo.sweep.parts.replace_parts", lambda *_: {})
    monkeypatch.setattr("hpo.sweep.sweep.sweep", lambda settings, *_: seen.append(settings))
    old = {"x": {"type": "int", "low": 1, "high": 2}, "y": {"type": "int", "low": 1, "high": 2}}
    sweeper = plugin.OptunaAsyncSweeper(study_name="s", search_space=old, params={"y": "1,2"})
    sweeper.setup(hydra_context=None, task_function=None, config=OmegaConf.create())
    sweeper.sweep([])
    assert seen[0].params == {"x": old["x"], "y": "1,2"}


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("n_trials=${nope}", "hydra.sweeper.n_trials: Interpolation key 'nope' not found"),
        ("storage=${oc.env:NO_DB}", "hydra.sweeper.storage: KeyError raised while resolving"),
        ("sampler.seed=${nope}", "hydra.sweeper.sampler: Interpolation key 'nope' not found"),
    ],
)
def test_a_setting_without_a_value_is_one_line(monkeypatch, capsys, setting, told):
    hydra = composed(monkeypatch, f"hydra.sweeper.{setting}")
    with pytest.raises(SystemExit) as ended:
        plugin.SettingsCheck().on_multirun_start(OmegaConf.create({"hydra": hydra}))
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(told)
    assert error.count("\n") == 1


def test_settings_that_have_a_value_or_need_none_pass(monkeypatch):
    hydra = composed(monkeypatch, "hydra/sweeper/pruner=freeze_thaw")
    plugin.SettingsCheck().on_multirun_start(OmegaConf.create({"hydra": hydra}))


@pytest.mark.parametrize(
    ("options", "file", "begun"),
    [
        ({}, None, [2]),
        ({}, "journal.log", [2]),
        ({}, "summary.json", []),
        ({"n_workers": 1}, None, []),
        ({"join": True}, None, []),
    ],
)
def test_a_process_to_fork_from_is_begun_where_workers_are_expected(
    options, file, begun, tmp_path, monkeypatch
):
    threads = []
    monkeypatch.setattr(
        "hpo.launch.local.forks_begun", lambda given, _: threads.append(given) or nullcontext()
    )
    if file:
        (tmp_path / file).touch()
    launcher = {**plugin.LOCAL, "threads_per_worker": 2}
    config = OmegaConf.create({"hydra": {"launcher": launcher, "sweep": {"dir": str(tmp_path)}}})
    sweeper = plugin.OptunaAsyncSweeper(**options)
    sweeper.setup(hydra_context=None, task_function=print, config=config)
    with sweeper._forks_begun():
        assert threads == begun
