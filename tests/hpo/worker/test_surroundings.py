"""What a trial finds when it begins does not depend on the trials before it."""

import importlib.util
import os
import random
import sys
from pathlib import Path

import numpy as np
import torch

from hpo.worker.surroundings import surroundings


def draw():
    return random.random(), float(np.random.rand()), float(torch.rand(1))  # noqa: NPY002


def test_random_numbers_depend_on_the_text_alone(tmp_path):
    drawn = []
    for text in ("s/1/0", "s/1/1", "s/1/0"):
        with surroundings(str(tmp_path), text):
            drawn.append(draw())
    assert drawn[0] == drawn[2]
    assert not set(drawn[0]) & set(drawn[1])


def test_a_library_that_the_trial_imports_is_seeded_too(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("seeds = []\nmanual_seed = seeds.append\n")
    monkeypatch.syspath_prepend(tmp_path)
    finders, seeds = list(sys.meta_path), []
    for _ in range(2):
        monkeypatch.delitem(sys.modules, "torch")
        with surroundings(str(tmp_path), "s/1/0"):
            importlib.util.find_spec("torch")  # a look whether it is installed is no import
            seeds += importlib.import_module("torch").seeds
            seeds += importlib.import_module("torch").seeds
        assert sys.meta_path == finders
    assert len(seeds) == 4
    assert len(set(seeds)) == 1


def test_directory_and_environment_are_as_before(tmp_path, monkeypatch):
    monkeypatch.setenv("KEPT", "yes")
    monkeypatch.delenv("NEW", raising=False)
    before = Path.cwd()
    with surroundings(str(tmp_path), ""):
        assert Path.cwd() == tmp_path
        os.environ |= {"KEPT": "no", "NEW": "1"}
        os.chdir("/")
    assert Path.cwd() == before
    assert (os.environ["KEPT"], os.environ.get("NEW")) == ("yes", None)


def test_a_directory_that_this_machine_lacks_is_told(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    with surroundings("/not/here", ""):
        assert Path.cwd() == tmp_path
    assert "/not/here, where the command was typed, is not there" in caplog.text
