"""A command comes into its study, and into no other one."""

from collections import Counter


def states(study):
    return Counter(trial.state.name for trial in study.trials)


def test_two_studies_do_not_share_a_folder(toy, study, tmp_path):
    toy("-m", "hydra.sweeper.n_trials=1")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for storage in ("null", "sqlite:///other.db"):
        other = "hydra.sweeper.study_name=other", f"hydra.sweeper.storage={storage}"
        code, printed = toy("-m", *other)
        assert code
        assert f"folder {tmp_path}/sweep belongs to study 'toy': choose another hydra" in printed
        assert "Traceback" not in printed
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_trial_in_a_folder_that_is_not_its_own_fails(toy, study, tmp_path):
    toy("-m", "hydra.sweeper.n_trials=1")
    (tmp_path / "sweep/trials/0000").rename(tmp_path / "sweep/trials/0001")
    code, printed = toy("-m", "hydra.sweeper.n_trials=2")
    assert code
    assert "belongs to trial 0 of study 'toy', not to trial 1" in printed
    assert study().trials[1].intermediate_values == {}


def test_a_sweep_that_failed_begins_anew_by_its_name(toy, study, tmp_path):
    assert toy("-m", "raises=[0]", "hydra.sweeper.n_trials=1")[0]
    code, printed = toy("-m", "hydra.sweeper.n_trials=1")
    assert code
    assert "raises: " in printed
    assert "or begin anew with hydra.sweeper.restart=toy" in printed
    code, printed = toy("-m", "hydra.sweeper.n_trials=1", "hydra.sweeper.restart=toy")
    assert code == 0, printed
    assert f"the old one is kept in {tmp_path}/sweep.1" in printed
    assert states(study()) == {"COMPLETE": 1}
    assert states(study(folder="sweep.1")) == {"FAIL": 1}
    assert (tmp_path / "sweep/best.yaml").exists()


def test_code_that_changes_between_two_commands_is_said_and_recorded(toy, study, monkeypatch):
    versions = iter([{"git": "a"}, {"git": "a"}, {"git": "b"}, {"git": "b"}])
    for module in ("hpo.sweep.entry", "hpo.worker.worker"):
        monkeypatch.setattr(f"{module}.code_of", lambda _: next(versions))
    toy("-m", "hydra.sweeper.n_trials=1")
    code, printed = toy("-m", "hydra.sweeper.n_trials=2")
    assert code == 0
    assert "study 'toy' was run with git a, goes on with git b" in printed
    recorded = [trial.user_attrs["code"] for trial in study().trials]
    assert [[facts["git"] for facts in each] for each in recorded] == [["a"], ["b"]]
    assert recorded[0][0]["config"] == recorded[1][0]["config"]
