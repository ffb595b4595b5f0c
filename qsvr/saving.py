"""Fitted estimators on disk: arrays and JSON in an npz file, no code."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from commons.files import replacing
from qsvr.annealing.samplers import SAMPLERS
from qsvr.estimator import QSVR

VERSION = 1
ARRAYS = {  # name: shape in samples N, features F, members M
    "support_vectors": "NF",
    "delta": "MN",
    "bias": "M",
    "weights": "M",
    "energies": "M",
}


def save(model: QSVR, path: str | Path) -> None:
    """Write a fitted estimator; an existing file is replaced as a whole.

    Args:
        model: fitted, with a sampler that has a name.
        path: the file, by custom `*.npz`.

    Raises:
        NotFittedError: `fit` was not called.
        ValueError: the sampler is an object, or random_state a generator: only names and numbers
            are written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> model = QSVR(n_reads=10, random_state=0).fit([[0.0], [0.5], [1.0]], [0.1, 0.2, 0.4])
        >>> with TemporaryDirectory() as folder:
        ...     save(model, f"{folder}/model.npz")
        ...     again = load(f"{folder}/model.npz")
        >>> bool((again.predict([[0.7]]) == model.predict([[0.7]])).all())
        True
    """
    check_is_fitted(model)
    header = {"format": "qsvr", "version": VERSION, "parameters": _plain_parameters(model)}
    arrays = {name: getattr(model, f"{name}_") for name in ARRAYS}
    if hasattr(model, "feature_names_in_"):
        arrays["feature_names"] = model.feature_names_in_.astype(str)
    with replacing(Path(path)) as partial, partial.open("wb") as file:
        np.savez(file, header=np.array(json.dumps(header)), **arrays)


def load(path: str | Path) -> QSVR:
    """Read an estimator that `save` wrote; arrays and parameters are exactly the saved ones.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a saved estimator, damaged, of another version, or
            inconsistent.
    """
    try:
        arrays = _read(path)
        model = QSVR(**_parameters(arrays))
        model.make_encoding()
        _check_arrays(arrays)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is not a saved QSVR: {error}") from None
    for name in ARRAYS:
        setattr(model, f"{name}_", arrays[name])
    model.n_features_in_ = arrays["support_vectors"].shape[1]
    if "feature_names" in arrays:
        model.feature_names_in_ = arrays["feature_names"].astype(object)
    return model


def _plain_parameters(model: QSVR) -> dict[str, Any]:
    parameters = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in model.get_params().items()
    }
    if not isinstance(parameters["sampler"], str | None):
        raise ValueError("only a sampler given by name can be saved: set sampler=None to save")
    if not isinstance(parameters["random_state"], int | None):
        raise ValueError("only an integer random_state can be saved: set it to None to save")
    return parameters


def _read(path: str | Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, MemoryError) as error:
        raise ValueError(str(error)) from None
    if damaged:
        raise ValueError(f"{damaged} is damaged")
    return arrays


def _parameters(arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    header = json.loads(str(arrays["header"]))
    if header["format"] != "qsvr" or header["version"] != VERSION:
        raise ValueError(f"need format qsvr, version {VERSION}")
    parameters: dict[str, Any] = header["parameters"]
    if parameters["sampler"] not in {None, *SAMPLERS}:
        raise ValueError(f"unknown sampler {parameters['sampler']!r}")
    return parameters


def _check_arrays(arrays: dict[str, NDArray[Any]]) -> None:
    samples, features = arrays["support_vectors"].shape
    sizes = {"N": samples, "F": features, "M": len(arrays["bias"])}
    for name, dimensions in ARRAYS.items():
        array, shape = arrays[name], tuple(sizes[letter] for letter in dimensions)
        if array.shape != shape or array.dtype != np.float64 or not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite floats of shape {shape}")
