"""Files that run without this package give what the network gives, for any number of elements."""

import io
import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from mlpf import load_network
from mlpf.network.decoding import Prediction
from mlpf.reconstruction.exporting import NotExportable, traced, write_torch
from mlpf.reconstruction.one_event import OneEvent
from tests.mlpf.reconstruction.conftest import some_events

SIZES = [0, 1, 2, 8, 9, 100]


@pytest.fixture(scope="module")
def network(run):
    return OneEvent(load_network(run), 0.7).eval()


def same(network, run):
    """Compare on events of all sizes; a random network may tie, but not here."""
    for size in SIZES:
        x = some_events(size, seed=size).x
        with torch.no_grad():
            expected = network(torch.from_numpy(x))
        for ours, theirs in zip(expected, run(x), strict=True):
            assert theirs.dtype == np.float32
            np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-4)


def test_an_onnx_file_gives_the_same_for_any_number_of_elements(network, onnx_file):
    session = onnxruntime.InferenceSession(onnx_file, providers=["CPUExecutionProvider"])
    same(network, lambda x: session.run(["pid", "charge", "particles"], {"x": x}))


def test_an_onnx_file_has_standard_operations_in_single_precision(onnx_file):
    model = onnx.load(onnx_file)
    onnx.checker.check_model(model, full_check=True)
    assert {opset.domain: opset.version for opset in model.opset_import} == {"": 18}
    assert {node.domain for node in model.graph.node} == {""}
    [x] = model.graph.input
    assert [d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim] == ["N", 12]
    shapes = {
        out.name: [d.dim_param or d.dim_value for d in out.type.tensor_type.shape.dim]
        for out in model.graph.output
    }
    assert shapes == {"pid": ["N", 6], "charge": ["N", 3], "particles": ["N", 7]}
    doubles = [t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.DOUBLE]
    casts = [n.attribute[0].i for n in model.graph.node if n.op_type == "Cast"]
    assert not doubles
    assert onnx.TensorProto.DOUBLE not in casts


def test_an_onnx_file_says_what_it_is(run, onnx_file):
    texts = {p.key: p.value for p in onnx.load(onnx_file).metadata_props}
    assert json.loads(texts["classes"])[2] == "NEUTRAL_HADRON"
    assert json.loads(texts["x_columns"])[1] == "pt"
    assert json.loads(texts["particle_columns"])[-1] == "energy"
    assert texts["units"] == "GeV, radians"
    assert json.loads(texts["p_none_max"]) == 0.7
    provenance = json.loads(texts["provenance"])
    assert provenance["seed"] == 7
    assert len(provenance["config_sha256"]) == 64
    assert provenance["model"]["bin_size"] == 8
    assert str(run) not in texts["provenance"]  # folders of this machine are nobody's business


def test_a_torch_program_gives_the_same_for_any_number_of_elements(network, program, tmp_path):
    write_torch(program, tmp_path / "small.pt2", {"units": "GeV"})
    extra = {"metadata": ""}
    program = torch.export.load(
        io.BytesIO((tmp_path / "small.pt2").read_bytes()), extra_files=extra
    )
    assert json.loads(extra["metadata"]) == {"units": "GeV"}
    module = program.module()

    def run(x):
        with torch.no_grad():
            return [out.numpy() for out in module(torch.from_numpy(x))]

    same(network, run)


def test_a_network_that_branches_on_values_is_refused_in_one_line():
    class Branching(nn.Module):
        def forward(self, batch):
            n = int(batch.x.sum())
            return Prediction(batch.x[:n, :6], batch.x[:n, :3], batch.x[:n, :4])

    with pytest.raises(NotExportable) as error:
        traced(OneEvent(Branching(), 0.7))
    assert "\n" not in str(error.value)
