"""With which code, configuration and data a trial is trained, and that they have changed."""

import importlib.util
import subprocess
from functools import partial

import pytest
from omegaconf import OmegaConf

from hpo.study import provenance
from hpo.study.provenance import added, changed, code_of, config_hash


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Runs git in a repository with the application `app.py`."""
    for key in ("NAME", "EMAIL"):
        monkeypatch.setenv(f"GIT_AUTHOR_{key}", "a")
        monkeypatch.setenv(f"GIT_COMMITTER_{key}", "a")

    def git(*arguments):
        subprocess.run(["git", "-C", tmp_path, *arguments], check=True, capture_output=True)

    (tmp_path / "app.py").write_text("def main(cfg):\n    return 1.0\n")
    git("init", "-q")
    git("add", "app.py")
    git("commit", "-qm", "first")
    return git


def application(folder):
    spec = importlib.util.spec_from_file_location("app", folder / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def test_the_commit_of_the_application_is_known_and_what_is_not_committed(repository, tmp_path):
    main = application(tmp_path)
    clean = code_of(main)
    assert len(clean["git"]) == 12
    assert "changes" not in clean
    assert code_of(partial(partial(main))) == clean
    seen = []
    for line in ("# a\n", "# b\n"):
        (tmp_path / "app.py").write_text(line)
        seen.append(code_of(main))
    assert [facts["git"] for facts in seen] == [f"{clean['git']}-dirty"] * 2
    assert seen[0]["changes"] != seen[1]["changes"]
    repository("commit", "-qam", "second")
    assert code_of(main)["git"] not in {clean["git"], seen[0]["git"]}


def test_packages_have_their_versions_and_what_is_not_installed_is_left_out(monkeypatch):
    import optuna

    monkeypatch.setattr(provenance, "_PACKAGES", ("optuna", "no-such-package"))
    facts = code_of(optuna.create_study)
    assert facts["optuna"] == optuna.__version__
    assert set(facts) == {"python", "optuna"}  # an installed application is in no repository


@pytest.mark.parametrize("function", [len, partial(len), type("Call", (), {"__call__": len})()])
def test_a_function_of_no_file_has_versions_alone(function):
    assert "git" not in code_of(function)


def test_without_git_or_when_it_takes_too_long_the_rest_is_known(
    tmp_path, monkeypatch, repository
):
    main = application(tmp_path)
    monkeypatch.setattr(provenance, "_GIT_S", 1e-6)
    assert "git" not in code_of(main)
    monkeypatch.setenv("PATH", "")
    assert "python" in code_of(main)


def test_a_configuration_is_the_same_whatever_is_searched_or_sets_up_the_sweep():
    def hashed(**changes):
        config = {"hydra": {"a": 1}, "model": {"lr": 1.0, "depth": 2}, "hpo": {"n_trials": 3}}
        config = {**config, "seed": "${model.depth}", "out": "${now:%Y}", 3: [1], **changes}
        return config_hash(OmegaConf.create(config), ["+model.lr", "hpo", "flavour", "3.0", "x.y"])

    assert len(hashed()) == 12
    assert hashed(hydra={}) == hashed(hpo={}) == hashed(model={"lr": 2.0, "depth": 2}) == hashed()
    assert hashed(model={"lr": 1.0, "depth": 3}) != hashed()
    assert hashed(seed=2) != hashed()


def test_only_what_is_known_of_both_has_changed():
    before = {"git": "a", "python": "3.11", "torch": "2.5"}
    assert changed(before, {"git": "a", "data": "x"}) is None
    now = {"git": "b", "python": "3.12", "optuna": "5"}
    assert changed(before, now) == "git a, python 3.11, goes on with git b, python 3.12"
    assert changed("nonsense", now) is None


def test_a_trial_keeps_each_version_that_it_ran_with():
    versions, change = added(None, {"git": "a"})
    assert (versions, change) == ([{"git": "a"}], None)
    versions, change = added(versions, {"data": "x"})
    assert (versions, change) == ([{"git": "a", "data": "x"}], None)
    versions, change = added(versions, {"git": "b"})
    assert versions == [{"git": "a", "data": "x"}, {"git": "b", "data": "x"}]
    assert change == "git a, goes on with git b"
    assert added([3, "x"], {"git": "b"}) == ([{"git": "b"}], None)
