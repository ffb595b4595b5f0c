"""What a process of a job receives, and what it leaves."""

from types import SimpleNamespace

import pytest
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
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
