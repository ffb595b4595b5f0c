"""The same particles from a run, a weight file and an ONNX file."""

import numpy as np
import pytest

from mlpf.config import ConfigError
from mlpf.reconstruction.models import open_model
from tests.mlpf.reconstruction.conftest import some_events

EVENTS = some_events(40, 0, 9, 1)


def test_a_run_its_weight_file_and_its_onnx_file_find_the_same(run, weight_file, onnx_file):
    expected = open_model(str(run)).find(EVENTS)
    assert expected[0].shape == (50, 6)
    assert (expected[1][:, 0] > 0).any()
    for path in (weight_file, onnx_file):
        for ours, theirs in zip(expected, open_model(str(path)).find(EVENTS), strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-4)


def test_a_model_knows_its_origin(run, weight_file, onnx_file):
    for path in (run, weight_file, onnx_file):
        provenance = open_model(str(path)).provenance
        assert provenance["seed"] == 7
        assert provenance["p_none_max"] == 0.7
        assert len(provenance["model_sha256"]) == 64


def test_no_event_has_no_particle(run, onnx_file):
    for path in (run, onnx_file):
        probabilities, particles = open_model(str(path)).find(EVENTS.take([]))
        assert (probabilities.shape, particles.shape) == ((0, 6), (0, 7))


def test_the_threshold_of_an_onnx_file_cannot_be_changed(onnx_file):
    assert open_model(str(onnx_file), 0.7)
    with pytest.raises(ConfigError, match=r"p_none_max=0\.5: .* has 0\.7 inside"):
        open_model(str(onnx_file), 0.5)


def test_another_threshold_keeps_more(run):
    few, many = (open_model(str(run), p).find(EVENTS)[1][:, 0] > 0 for p in (0.05, 1.0))
    assert few.sum() < many.sum()


@pytest.mark.parametrize("content", [None, b"", b"nothing"])
def test_what_is_no_onnx_file_is_named(content, tmp_path):
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        ConfigError, match=r"model\.onnx: (no such file|not an ONNX file)"
    ) as error:
        open_model(str(path))
    assert "\n" not in str(error.value)
