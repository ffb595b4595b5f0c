"""Hydra's tests of a launcher, on `hpo_slurm`."""

import hydra.conf  # noqa: F401 - registers itself
import pytest
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite
from hydra.version import VersionBase

Plugins.instance()  # registers all: the suites restore what was registered before each test

pytestmark = pytest.mark.slurm
LAUNCHER = ["hydra.launcher.poll_s=0.2"]


@pytest.fixture(autouse=True)
def login_node(slurm, monkeypatch):
    """This process and the applications it starts see the cluster."""
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def no_version_base(monkeypatch):
    """The suite expects a process in which nothing was composed before."""
    monkeypatch.delitem(Singleton._instances, VersionBase, raising=False)


@pytest.mark.parametrize(("launcher_name", "overrides"), [("hpo_slurm", LAUNCHER)])
class TestSlurmLauncher(LauncherTestSuite):
    pass


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"), [({}, ["-m", "hydra/launcher=hpo_slurm", *LAUNCHER])]
)
class TestSlurmLauncherOfApplications(IntegrationTestSuite):
    pass
