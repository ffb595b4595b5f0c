"""Weight files: what is written comes back; damage, code and other networks are refused."""

import json
import pickle
import zipfile

import numpy as np
import pytest
import torch

from mlpf import MLPF, load_network
from mlpf.config import ConfigError
from mlpf.network.weights import (
    DamagedWeights,
    Weights,
    is_weight_file,
    read_weights,
    write_weights,
)

SMALL = {"_target_": "mlpf.MLPF", "output_dim": 8, "num_graph_layers_reg": 0}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return MLPF(output_dim=8, num_graph_layers_reg=0)


@pytest.fixture
def file(network, tmp_path):
    path = tmp_path / "small.npz"
    write_weights(Weights.of(network, SMALL, {"seed": 3}), path)
    return path


def test_weights_come_back_bit_by_bit_with_their_origin(network, file):
    weights = read_weights(file)
    assert weights.model == SMALL
    assert weights.provenance == {"seed": 3}
    loaded = load_network(file)
    assert not loaded.training
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_half_the_digits_are_about_half_the_size(network, file, tmp_path):
    write_weights(Weights.of(network, SMALL, {}), tmp_path / "half.npz", half=True)
    assert (tmp_path / "half.npz").stat().st_size < 0.65 * file.stat().st_size
    loaded = load_network(tmp_path / "half.npz").state_dict()
    for name, value in network.state_dict().items():
        assert loaded[name].dtype == value.dtype
        torch.testing.assert_close(loaded[name], value, rtol=1e-3, atol=1e-6)


def test_the_file_is_known_by_its_content_or_its_name(file, tmp_path):
    assert is_weight_file(file)
    renamed = file.rename(tmp_path / "weights")
    assert is_weight_file(renamed)
    torch.save({}, tmp_path / "best.ckpt")
    assert not is_weight_file(tmp_path / "best.ckpt")


def changed(path, **changes):
    """Write the file again with another description."""
    with np.load(path) as archive:
        arrays = dict(archive)
    about = json.loads(str(arrays.pop("about"))) | changes
    np.savez(path, about=np.array(json.dumps(about)), **arrays)


def test_only_networks_of_this_package_are_built(file):
    for target in ("os.system", "mlpf.Events", "mlpf.read_events", "mlpf.network.model.MLPF", ""):
        changed(file, model={"_target_": target})
        with pytest.raises(ConfigError, match=r"small\.npz: .*is no network of mlpf"):
            load_network(file)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": SMALL | {"output_dim": 16}}, "not the weights of mlpf.MLPF"),
        ({"model": SMALL | {"width": 16}}, "not the weights of mlpf.MLPF"),
        ({"model": SMALL | {"output_dim": -1}}, "not the weights of mlpf.MLPF"),
        ({"model": 5}, "int"),
        ({"format": 2}, "weight format 2, need 1"),
        ({"sha256": "0"}, "wrong checksum"),
    ],
)
def test_what_does_not_fit_is_one_line(file, changes, message):
    changed(file, **changes)
    with pytest.raises(ConfigError, match=message) as error:
        load_network(file)
    assert "\n" not in str(error.value)


def test_a_pickle_inside_is_never_loaded(file):
    class Evil:
        def __reduce__(self):
            return (pytest.fail, ("code of the file ran",))

    with zipfile.ZipFile(file, "a") as archive, archive.open("evil.npy", "w") as entry:
        np.lib.format.write_array(entry, np.array([None]), allow_pickle=True)
        entry.write(pickle.dumps(Evil()))
    with pytest.raises(DamagedWeights, match="allow_pickle=False"):
        read_weights(file)


@pytest.mark.parametrize("keep", [0, 100, 5000, -20])
def test_a_truncated_file_is_damaged(file, keep):
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ConfigError, match=r"small\.npz: not a weight file, or damaged"):
        load_network(file)


def test_flipped_bits_are_noticed_anywhere(file):
    content = file.read_bytes()
    for place in range(40, len(content), len(content) // 40):
        flipped = bytearray(content)
        flipped[place] ^= 16
        file.write_bytes(flipped)
        try:
            weights = read_weights(file)
        except DamagedWeights:
            continue
        file.write_bytes(content)  # the bit was in a place without meaning, such as a time
        original = read_weights(file)
        assert weights.model == original.model
        assert all(np.array_equal(weights.arrays[k], v) for k, v in original.arrays.items())
