import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from dwave.samplers import SteepestDescentSampler
from sklearn.exceptions import NotFittedError

from qsvr.estimator import QSVR
from qsvr.saving import ARRAYS, load, save

X = np.random.default_rng(0).uniform(size=(12, 2))
Y = X.sum(axis=1) / 2


@pytest.fixture
def model():
    tiny = {"n_reads": 10, "n_sweeps": 20, "n_solutions": 5, "max_samples": 8}
    return QSVR(gamma=np.float64(1.5), random_state=np.int64(4), **tiny).fit(X, Y)


@pytest.fixture
def saved(model, tmp_path):
    save(model, tmp_path / "model.npz")
    return tmp_path / "model.npz"


def rewrite(path, **changes):
    """Replace or, with None, drop members of a saved file."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files} | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def header(path, **changes):
    with np.load(path) as file:
        return np.array(json.dumps(json.loads(str(file["header"])) | changes))


def test_a_loaded_estimator_is_the_saved_one(model, saved):
    loaded = load(saved)
    for name in (*(f"{name}_" for name in ARRAYS), "n_features_in_"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name))
    assert loaded.get_params() == model.get_params()
    for ours, theirs in zip(
        loaded.predict(X, return_std=True), model.predict(X, return_std=True), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)  # rounding follows memory layout
    np.testing.assert_array_equal(loaded.fit(X, Y).delta_, model.delta_)
    assert [file.name for file in saved.parent.iterdir()] == ["model.npz"]


def test_feature_names_are_kept(model, tmp_path):
    model.feature_names_in_ = np.array(["last", "slope"], dtype=object)
    save(model, tmp_path / "named")
    np.testing.assert_array_equal(load(tmp_path / "named").feature_names_in_, ["last", "slope"])


def test_only_fitted_estimators_are_saved(tmp_path):
    with pytest.raises(NotFittedError):
        save(QSVR(), tmp_path / "model.npz")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sampler": SteepestDescentSampler()}, "only a sampler given by name can be saved"),
        ({"random_state": np.random.RandomState(0)}, "only an integer random_state"),
    ],
)
def test_objects_among_the_parameters_are_refused(model, tmp_path, parameters, message):
    with pytest.raises(ValueError, match=message):
        save(model.set_params(**parameters), tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())


def test_a_pickle_is_refused_without_being_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was run",))

    (tmp_path / "plain").write_bytes(pickle.dumps(Trap()))
    with zipfile.ZipFile(tmp_path / "inside", "w") as archive:
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.array([Trap()]), allow_pickle=True)
        archive.writestr("header.npy", buffer.getvalue())
    for name in ("plain", "inside"):
        with pytest.raises(ValueError, match=f"{name} is not a saved QSVR"):
            load(tmp_path / name)


@pytest.mark.parametrize(
    "change",
    [
        {"bias": None},
        {"header": None},
        {"header": np.array("no JSON")},
        {"header": np.array("[]")},
        {"bias": np.zeros(3)},
        {"bias": np.float64(1.0)},
        {"weights": np.full(10, np.nan)},
        {"delta": np.zeros((10, 12), dtype=np.int64)},
        {"support_vectors": np.zeros(12)},
    ],
)
def test_missing_or_inconsistent_parts_are_an_error_that_names_the_file(saved, change):
    rewrite(saved, **change)
    with pytest.raises(ValueError, match=r"model\.npz is not a saved QSVR"):
        load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "need format qsvr, version 1"),
        ({"format": "svr"}, "need format qsvr, version 1"),
        ({"parameters": {"sampler": None, "gamma": -1.0}}, "gamma must be greater than 0"),
        ({"parameters": {"sampler": None, "gamma": "wide"}}, "not a saved QSVR"),
        ({"parameters": {"sampler": None, "kernel": "rbf"}}, "unexpected keyword argument"),
        ({"parameters": {"sampler": "os.system"}}, "unknown sampler 'os.system'"),
        ({"parameters": {"sampler": ["exact"]}}, "not a saved QSVR"),
    ],
)
def test_another_version_or_unknown_parameters_are_rejected(saved, change, message):
    rewrite(saved, header=header(saved, **change))
    with pytest.raises(ValueError, match=message):
        load(saved)


@pytest.mark.parametrize("position", [0, 200, 0.5, -30])
def test_a_damaged_byte_is_noticed(saved, position):
    content = bytearray(saved.read_bytes())
    content[int(position * len(content)) if isinstance(position, float) else position] ^= 0xFF
    saved.write_bytes(content)
    with pytest.raises(ValueError, match="is not a saved QSVR"):
        load(saved)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.npz"):
        load(tmp_path / "nothing.npz")
