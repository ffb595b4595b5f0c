"""The verdict on a site, as far as the login node can tell."""

import shutil
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from hpo.launch.slurm import check
from hpo.launch.slurm.check import check_site
from hpo.launch.slurm.commands import Unanswered
from hpo.launch.slurm.options import SlurmOptions
from hpo.settings import SettingError

PARTITIONS = {
    "batch": {"PartitionName": "batch", "State": "UP", "MaxTime": "1-00:00:00", "Default": "YES"},
    "dev": {"PartitionName": "dev", "State": "DRAIN", "MaxTime": "UNLIMITED", "Default": "NO"},
}
CONFIG = OmegaConf.create(
    {"hydra": {"launcher": {"timeout_min": "${launcher.timeout_min}"}}, "launcher": {}}
)


@pytest.fixture
def verdict(tmp_path, capsys, monkeypatch):
    """Checks a site with these options; returns exit code, the lines that failed, jobs tried."""
    monkeypatch.setattr(check, "partitions", lambda: PARTITIONS)
    monkeypatch.setattr(check, "largest_array", lambda: 10)
    monkeypatch.delenv("SBATCH_PARTITION", raising=False)
    tried = []

    def try_job(slurm, folder):
        tried.append(folder.parent)
        yield "lock", "excludes"

    monkeypatch.setattr(check, "try_job", try_job)

    def look(folder=tmp_path / "new/sweep", n_workers=25, refusal=None, **options):
        def validate():
            if refusal:
                raise SettingError(refusal)

        site = SimpleNamespace(
            options=SlurmOptions(**options), validate=validate, arrays=lambda n: range(-(-n // 10))
        )
        code = check_site(site, n_workers, folder, CONFIG)
        look.output = capsys.readouterr().out
        failed = [line[5:] for line in look.output.splitlines() if line.startswith("FAIL ")]
        return code, failed, tried

    return look


def test_a_site_that_is_ready_has_one_line_each_and_nothing_is_left(verdict, tmp_path):
    assert verdict() == (0, [], [tmp_path / "new/sweep"])
    kinds = [line[5:18].strip() for line in verdict.output.splitlines()[:-1]]
    expected = ["partition", "time limit", "arrays", "submission", "sweep folder", "lock"]
    assert kinds == expected
    assert "workers: 25, jobs: 25, arrays: 3 (the limit is 10 jobs each)" in verdict.output
    assert verdict.output.endswith("the site is ready\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "what", "said"),
    [
        ({"partition": "nope"}, "partition", "there is no 'nope': set hydra.launcher.partition"),
        ({"partition": "nope"}, "partition", "to one of batch, dev"),
        ({"partition": "dev"}, "partition", "partition dev is DRAIN"),
        ({"timeout_min": 1441}, "time limit", "launcher.timeout_min=1441 is more than partition"),
        ({"timeout_min": 1441}, "time limit", "set at most 1440"),
        ({"n_workers": 600}, "arrays", "set hydra.launcher.max_workers=600"),
        ({"refusal": "no {account}"}, "submission", "no hydra.launcher.account"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_key_that_was_typed(verdict, options, what, said):
    code, failed, tried = verdict(**options)
    assert code == 1
    (line,) = [line for line in failed if line.startswith(what)]
    assert said in line
    assert bool(tried) is (what in ("time limit", "arrays"))  # a job of a minute may start then


def test_a_folder_that_cannot_be_made_is_named_and_nothing_is_submitted(verdict, tmp_path):
    (tmp_path / "file").touch()
    code, failed, tried = verdict(tmp_path / "file/sweep")
    assert code == 1
    assert f"{tmp_path}/file/sweep: Not a directory; change hydra.sweep.dir" in failed[0]
    assert failed[1].endswith("not tried: correct what failed first")
    assert tried == []


def test_a_full_file_system_is_a_failure(verdict, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=5e7))
    code, failed, _ = verdict()
    assert code == 1
    assert "only 0.1 GB" in failed[0]


def test_an_interrupted_check_ends_in_one_line_and_leaves_nothing(verdict, monkeypatch, tmp_path):
    def interrupted(*_):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(check, "try_job", interrupted)
    assert verdict()[0] == 130
    assert verdict.output.endswith("interrupted; its job is canceled\n")
    assert list(tmp_path.iterdir()) == []


def test_a_site_without_an_answer_or_a_default_partition_is_a_failure(verdict, monkeypatch):
    monkeypatch.setattr(check, "partitions", lambda: {"dev": PARTITIONS["dev"]})
    assert "the site has no default: set hydra.launcher.partition" in verdict()[1][0]

    def silent():
        raise Unanswered("Unable to contact slurm controller")

    monkeypatch.setattr(check, "partitions", silent)
    assert "SLURM does not answer: Unable to contact" in verdict()[1][0]
