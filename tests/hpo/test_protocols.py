"""The classes that sweep, launcher and worker exchange keep what they promise."""

from pathlib import Path

import hydra_plugins.hpo_sweeper as plugin
from hpo.protocols import CheckedLauncher, MachineLauncher, SweepWorker
from hpo.ranks import Group
from hpo.search.space import Space
from hpo.study.study import SweepSpec
from hpo.worker.worker import Worker


def worker():
    spec = SweepSpec(study_name="s", sweep_dir=Path("sweep"), space=Space({}))
    return Worker(spec, None)


def test_a_worker_is_told_from_a_plain_task_function():
    assert isinstance(worker(), SweepWorker)
    assert not isinstance(lambda config: None, SweepWorker)


def test_our_launchers_can_be_checked_and_others_need_not():
    assert isinstance(plugin.SlurmLauncher(), CheckedLauncher)
    assert isinstance(plugin.LocalLauncher(), CheckedLauncher)


def test_only_the_local_launcher_divides_this_machine():
    assert isinstance(plugin.LocalLauncher(), MachineLauncher)
    assert not isinstance(plugin.SlurmLauncher(), MachineLauncher)


def test_a_worker_follows_the_group_that_it_joins(tmp_path):
    leader = Group(tmp_path, rank=0, size=2, local_size=2)
    leader.dismiss()
    follower = worker()
    follower.join(Group(tmp_path, rank=1, size=2, local_size=2))
    follower.follow()  # returns, since the leader has let go
