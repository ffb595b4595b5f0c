"""What a process of a job receives, and what it leaves."""

from types import SimpleNamespace

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import RunMode
from omegaconf import OmegaConf

from hpo.launch.payload import Payload, exit_code, read_result, unpack, write_result
from hpo.settings import SweepFailure


class Loader:
    """Hydra's loader, as far as it composes jobs."""

    def load_sweep_config(self, config, overrides):
        return OmegaConf.merge(config, OmegaConf.from_dotlist(overrides))


@pytest.fixture
def payload():
    job = {"id": "???", "num": "???", "override_dirname": ""}
    own = {"job": job, "overrides": {"task": [], "hydra": []}, "sweeper": {}}
    config = OmegaConf.create({"x": 0, "hydra": own})
    OmegaConf.set_struct(config, True)
    return Payload(SimpleNamespace(config_loader=Loader()), config, lambda cfg: cfg.x + 1)


def test_a_payload_survives_its_way_with_a_function_of_no_module(payload):
    state = Singleton.get_state()
    received = unpack(payload.pack())
    Singleton.set_state(state)
    assert received.config == payload.config
    assert received.function(OmegaConf.create({"x": 2})) == 3


def test_a_job_is_composed_with_its_overrides_and_its_number(payload):
    config = payload.compose(["x=5"], 7)
    assert (config.x, config.hydra.job.num, config.hydra.job.id) == (5, 7, "7")
    assert payload.config.x == 0


def test_a_result_is_read_as_it_was_written_and_leaves_nothing_else(tmp_path):
    written = JobReturn(status=JobStatus.COMPLETED, overrides=["x=1"])
    written.return_value = 0.5
    write_result(written, tmp_path / "result-3.pkl")
    assert read_result(tmp_path / "result-3.pkl").return_value == 0.5
    assert [path.name for path in tmp_path.iterdir()] == ["result-3.pkl"]


def test_a_job_that_left_nothing_has_no_result(tmp_path):
    assert read_result(tmp_path / "result-3.pkl") is None


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SweepFailure("the study is gone"), "error: the study is gone\n"),
        (OSError("no"), "OSError: no\n"),
    ],
)
def test_a_process_whose_job_failed_says_why_and_ends_with_1(error, told, capsys):
    result = JobReturn(status=JobStatus.FAILED)
    result.return_value = error
    assert exit_code(result) == 1
    printed = capsys.readouterr().err
    assert printed.endswith(told)


def test_a_process_whose_job_succeeded_says_nothing_and_ends_with_0(capsys):
    result = JobReturn(status=JobStatus.COMPLETED)
    result.return_value = None
    assert (exit_code(result), capsys.readouterr().err) == (0, "")


def test_a_job_that_differs_in_its_folder_has_what_hydra_composes(tmp_path):
    (tmp_path / "config.yaml").write_text("x: 0\nname: ${hydra:job.num}\n")
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        given = ["x=1", "hydra.job.chdir=false"]
        master = loader.load_configuration("config", given, RunMode.MULTIRUN)
        payload = Payload(SimpleNamespace(config_loader=loader), master, print)
        first, second = (["x=2", "hydra.verbose=true", f"hydra.sweep.subdir=w/{i}"] for i in "01")
        alike = payload.compose_alike(payload.compose(first, 0), second, 1)
        composed = payload.compose(second, 1)
        assert OmegaConf.to_yaml(alike) == OmegaConf.to_yaml(composed)
        assert alike.hydra.sweep.subdir == "w/1"
        other = payload.compose_alike(composed, ["x=5"], 2)
        assert other.x == 5
