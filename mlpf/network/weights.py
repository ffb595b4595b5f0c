"""Weight files: a trained network for shipping, in one small file that holds data and no code.

A weight file is a NumPy archive (`.npz`): one array per weight, and under `about` a JSON text with
the class of the network, its arguments, its provenance and a checksum of the arrays.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import mlpf
from commons.files import replacing

FORMAT: Final = 1
_ABOUT: Final = "about"
Arrays = dict[str, NDArray[Any]]


class DamagedWeights(ValueError):
    """A file is no weight file, or not any more; the message says why."""


@dataclass(frozen=True)
class Weights:
    """The content of a weight file.

    Args:
        model: `_target_`, such as `mlpf.MLPF`, and the arguments of its constructor.
        arrays: the weights by name.
        provenance: where the weights come from, any values that JSON can hold.
    """

    model: dict[str, Any]
    arrays: Arrays
    provenance: dict[str, Any]

    @classmethod
    def of(
        cls, network: nn.Module, model: Mapping[str, Any], provenance: Mapping[str, Any]
    ) -> Weights:
        """Return the weights of a network that `model` describes."""
        arrays = {name: value.cpu().numpy() for name, value in network.state_dict().items()}
        return cls(dict(model), arrays, dict(provenance))

    def network(self) -> nn.Module:
        """Return the network on the CPU, in evaluation mode.

        Raises:
            DamagedWeights: `model` names no network of this package, its arguments are wrong, or
                the weights do not fit it.
        """
        arguments = dict(self.model)
        name = str(arguments.pop("_target_", "")).removeprefix("mlpf.")
        kind = getattr(mlpf, name) if name in mlpf.__all__ else None
        if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
            raise DamagedWeights(f"{self.model.get('_target_')} is no network of mlpf")
        try:
            network = kind(**arguments)
            tensors = {key: torch.from_numpy(value) for key, value in self.arrays.items()}
            network.load_state_dict(tensors)
        except (RuntimeError, TypeError, ValueError) as error:
            line = str(error).splitlines()[0]
            raise DamagedWeights(
                f"not the weights of {self.model['_target_']} ({line})"
            ) from error
        return network.eval()


def write_weights(weights: Weights, path: Path, *, half: bool = False) -> None:
    """Write a weight file, which appears under its name only when it is complete.

    Args:
        weights: what it shall hold.
        path: the file.
        half: round to float16, half the size. The network then is another one: evaluate the file.

    Raises:
        OSError: the file cannot be written.
    """
    arrays = {
        name: value.astype(np.float16) if half and value.dtype == np.float32 else value
        for name, value in weights.arrays.items()
    }
    about = {
        "format": FORMAT,
        "model": weights.model,
        "provenance": weights.provenance,
        "sha256": _digest(arrays),
    }
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, about=np.array(json.dumps(about)), **arrays)


def read_weights(path: Path) -> Weights:
    """Return what `write_weights` wrote, in float32.

    Raises:
        DamagedWeights: the file is damaged, no weight file, or of a later version.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        about = json.loads(str(arrays.pop(_ABOUT)))
        version, digest = about["format"], about["sha256"]
        model, provenance = dict(about["model"]), dict(about["provenance"])
    except Exception as error:  # damage can raise any exception
        raise DamagedWeights((str(error) or repr(error)).splitlines()[0]) from error
    if version != FORMAT:
        raise DamagedWeights(f"weight format {version}, need {FORMAT}; take a newer mlpf-hpo")
    if digest != _digest(arrays):
        raise DamagedWeights("wrong checksum")
    return Weights(model, {k: _single(v) for k, v in arrays.items()}, provenance)


def is_weight_file(path: Path) -> bool:
    """Tell whether a file, which is there, is meant as a weight file, damaged or not."""
    if path.suffix == ".npz" or not zipfile.is_zipfile(path):
        return path.suffix == ".npz"
    with zipfile.ZipFile(path) as archive:
        return f"{_ABOUT}.npy" in archive.namelist()


def _single(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _digest(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
