"""The file is written only if it gives what PyTorch gives."""

import pytest

from mlpf.config import ConfigError
from mlpf.reconstruction import agreement
from mlpf.reconstruction.export import Disagreement, export
from mlpf.reconstruction.exporting import NotExportable
from tests.mlpf.reconstruction.conftest import composed


@pytest.fixture(autouse=True)
def traced_once(run, monkeypatch):
    """Stand-in for the tracing, which takes seconds: the network itself, called as a program."""
    written = []

    def write(program, path, metadata):
        written.append((program, metadata))
        path.write_bytes(b"program")

    def read(file):
        return written[-1][0]

    monkeypatch.setattr("mlpf.reconstruction.export.traced", lambda network: Program(network))
    monkeypatch.setattr("mlpf.reconstruction.export.write_torch", write)
    monkeypatch.setattr("torch.export.load", read)
    return written


class Program:
    def __init__(self, network):
        self.network = network

    def module(self):
        return self.network


def test_the_file_is_compared_on_the_test_events_of_the_training(run, tmp_path):
    text = export(composed("export", f"run={run}", f"out={tmp_path}/a.pt2", "format=torch"))
    assert "6 events, 49 elements" in text
    assert "100.000 %" in text
    assert (tmp_path / "a.pt2").read_bytes() == b"program"


def test_a_file_that_differs_is_not_kept(run, tmp_path, monkeypatch):
    monkeypatch.setattr(agreement, "MAX_DLOGIT", 0.0)
    with pytest.raises(Disagreement, match=r"a\.pt2 is not written: 6 events"):
        export(composed("export", f"run={run}", f"out={tmp_path}/a.pt2", "format=torch"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_does_not_run_is_one_line(run, tmp_path, monkeypatch):
    def fail(network, run, events):
        raise RuntimeError("Reshape failed\nin node 7")

    monkeypatch.setattr("mlpf.reconstruction.export.compare", fail)
    with pytest.raises(NotExportable, match=r"it does not run: Reshape failed$"):
        export(composed("export", f"run={run}", f"out={tmp_path}/a.pt2", "format=torch"))
    assert list(tmp_path.iterdir()) == []


def test_a_weight_file_has_no_events_of_its_own(weight_file, run, tmp_path):
    arguments = (f"model={weight_file}", f"out={tmp_path}/a.pt2", "format=torch")
    with pytest.raises(ConfigError, match="give files=FILES"):
        export(composed("export", *arguments))
    assert export(composed("export", *arguments, f"files={run}/test.parquet"))


def test_weights_can_be_rounded(run, weight_file, tmp_path):
    export(
        composed("export", f"run={run}", f"out={tmp_path}/a.npz", "format=weights", "half=true")
    )
    assert (tmp_path / "a.npz").stat().st_size < weight_file.stat().st_size


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("format=tflite", "format=tflite: need one of onnx, torch, weights"),
        ("p_none_max=null", "p_none_max: a number is needed"),
        ("files=[none.parquet]", r"files=none\.parquet: no such file"),
        ("run=nowhere", "nowhere: not found; need a run folder"),
    ],
)
def test_a_wrong_argument_is_one_line(run, tmp_path, argument, message):
    with pytest.raises(ConfigError, match=message):
        export(composed("export", f"run={run}", f"out={tmp_path}/a", "format=torch", argument))


def test_without_a_name_the_file_goes_to_the_folder_of_the_training(run):
    told = export(composed("export", f"run={run}", "format=weights"))
    written = run / "mlpf.npz"
    assert str(written) in told
    written.unlink()
    with pytest.raises(ConfigError, match="out=FILE is needed"):
        export(composed("export", "model=pretrained", "format=weights"))
