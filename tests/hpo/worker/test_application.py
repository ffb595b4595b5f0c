"""How an application sees its trials, and what Hydra sees of them."""

import importlib
import os
import random
import sys
from contextlib import nullcontext
from itertools import product
from pathlib import Path

import numpy as np
import optuna
import pytest
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_original_cwd, to_absolute_path

import hpo
from hpo import hydra_internals
from hpo.sweep import preflight
from hpo.worker import application

NOTE = """
from hydra.experimental.callback import Callback

heard = []

class Note(Callback):
    def on_multirun_start(self, config, **_):
        heard.append("multirun starts")

    def on_multirun_end(self, config, **_):
        heard.append("multirun ends")

    def on_job_start(self, config, **_):
        heard.append(f"{config.hydra.sweep.subdir} x={config.x:g}")

    def on_job_end(self, config, job_return, **_):
        heard.append(f"{config.hydra.sweep.subdir} {job_return.status.name}")
"""
WITH_NOTE = "+hydra.callbacks.note._target_=note_job.Note"


@pytest.fixture
def heard(tmp_path, monkeypatch):
    """Returns what a callback of the application has heard."""
    (tmp_path / "note_job.py").write_text(NOTE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "note_job", raising=False)
    return lambda: importlib.import_module("note_job").heard


def test_each_trial_is_a_job_of_hydra_with_a_folder_and_a_current_trial(toy, tmp_path):
    seen = []

    def train(cfg):
        own, trial = HydraConfig.get(), hpo.current_trial()
        folder = Path(own.runtime.output_dir).relative_to(tmp_path)
        seen.append((own.job.num, trial.number, str(folder), trial.params == {"x": cfg.x}))
        assert own.job.id.endswith(f"/{trial.number}")
        return 0.5

    toy.module.train = train
    assert toy("-m", "hydra.sweeper.n_trials=2")[0] == 0
    assert seen == [(n, n, f"sweep/trials/{n:04d}", True) for n in (0, 1)]
    assert hpo.current_trial() is None


def test_callbacks_hear_of_the_command_once_and_of_each_trial_but_not_of_workers(toy, heard):
    def train(cfg):
        match hpo.current_trial().number:
            case 0:
                raise optuna.TrialPruned
            case 1:
                raise RuntimeError("no luck")
            case 2:
                sys.exit(3)
            case _:
                return 0.5

    toy.module.train = train
    fixed = ("hydra.sweeper.params={}", "x=choice(0.25)", "hydra.sweeper.max_failure_rate=1")
    assert toy("-m", *fixed, WITH_NOTE)[0] == 0
    states = ("COMPLETED", "FAILED", "FAILED", "COMPLETED")
    folders = [f"trials/{number:04d}" for number in range(4)]
    pairs = [(f"{f} x=0.25", f"{f} {state}") for f, state in zip(folders, states, strict=True)]
    assert heard() == ["multirun starts", *sum(pairs, ()), "multirun ends"]


def test_hydra_prints_no_traceback_when_a_trial_is_pruned(toy):
    def train(cfg):
        raise optuna.TrialPruned

    toy.module.train = train
    code, printed = toy("-m", "hydra.sweeper.n_trials=1")
    assert code == 1  # there is no result
    assert "no trial is complete: 1 pruned before a step" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("chdir", [True, False])
def test_a_trial_finds_the_directories_of_a_plain_run(toy, tmp_path, chdir):
    (tmp_path / "data").write_text("events")
    seen = []

    def train(cfg):
        data = to_absolute_path("data") if chdir else "data"
        folder = Path.cwd()
        seen.append((get_original_cwd(), Path(data).read_text(), str(folder)))
        os.environ["LEAKS"] = str(len(seen))
        os.chdir("/")
        return 0.5

    toy.module.train = train
    assert toy("-m", f"hydra.job.chdir={chdir}", "hydra.sweeper.n_trials=1")[0] == 0
    assert toy("-m", f"hydra.job.chdir={chdir}", "hydra.sweeper.n_trials=3")[0] == 0
    folders = [tmp_path / f"sweep/trials/{n:04d}" if chdir else tmp_path for n in range(3)]
    assert seen == [(str(tmp_path), "events", str(folder)) for folder in folders]
    assert Path.cwd() == tmp_path
    assert "LEAKS" not in os.environ


def test_a_trial_draws_the_same_numbers_alone_and_after_others(toy):
    drawn = {}

    def train(cfg):
        number = hpo.current_trial().number
        if number < 2 and "alone" in HydraConfig.get().sweep.dir:
            raise optuna.TrialPruned
        drawn.setdefault(number, []).append((random.random(), *np.random.rand(1)))  # noqa: NPY002
        return 0.5

    toy.module.train = train
    assert toy("-m", "hydra.sweeper.n_trials=3")[0] == 0
    assert toy("-m", "hydra.sweeper.n_trials=3", "hydra.sweep.dir=alone")[0] == 0
    assert len({*drawn[0], *drawn[1], *drawn[2]}) == 3
    assert len(drawn[2]) == 2


def test_the_files_of_a_trial_are_those_of_hydras_own_run(toy, tmp_path, monkeypatch):
    space = ("epochs=choice(1,2)", "text='1',null,'a: b','[c]','é😀'", "x=interval(-1,1)")
    own = ("-m", *space, "hydra.sweeper.n_trials=6", "+new.key=1", "flavour=plain")
    composed = []
    compose = application.compose_job
    monkeypatch.setattr(
        application, "compose_job", lambda *given: composed.append(given) or compose(*given)
    )
    assert toy(*own)[0] == 0
    by_template = len(composed)
    assert by_template == 3  # of the command: two points and what they share
    monkeypatch.setattr(preflight, "make_template", lambda *_: None)
    monkeypatch.setattr(hydra_internals, "_without_repeated_copies", nullcontext)
    assert toy(*own, "hydra.sweep.dir=plain")[0] == 0
    assert len(composed) - by_template == 7
    for number, name in product(range(6), ("config", "hydra", "overrides")):
        ours, theirs = (
            without_launch(yaml.safe_load((trial / f".hydra/{name}.yaml").read_text()))
            for trial in (tmp_path / f"{run}/trials/{number:04d}" for run in ("sweep", "plain"))
        )
        assert repr(ours) == repr(theirs)  # with the types and the order


def without_launch(content):
    """The content of a file without what names the launch and the folder of its sweep."""
    if "hydra" in content:
        own = content["hydra"]
        del own["job"]["id"], own["sweep"]["dir"], own["runtime"]["output_dir"]
        own["overrides"]["hydra"] = [x for x in own["overrides"]["hydra"] if ".dir=" not in x]
    return content
