"""What finds particles in events: a network in PyTorch, or an ONNX file of one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from commons.files import sha256
from mlpf.config import ConfigError
from mlpf.data.events import Events
from mlpf.network.candidates import P_NONE_MAX, predict
from mlpf.network.saved import load_saved
from mlpf.schema import N_CLASSES, N_Y

Floats = NDArray[np.float32]
Outputs = tuple[Floats, Floats, Floats]  # as `one_event.OneEvent` returns them


@dataclass(frozen=True)
class Model:
    """A trained network, wherever it runs.

    Args:
        find: returns for the M elements of events the probabilities of the classes, shape (M, 6),
            and the particles, (M, 7), columns `schema.Y_COLUMNS`, all 0 where none is.
        provenance: what it is, for the metadata of results; JSON.
    """

    find: Callable[[Events], tuple[Floats, Floats]]
    provenance: dict[str, Any]


def open_model(path: str, p_none_max: float | None = None) -> Model:
    """Return a model that is ready to run.

    Args:
        path: an ONNX file of `python -m mlpf.export`, or what `mlpf.load_network` takes.
        p_none_max: an element is a particle if its probability of class 0 is below this, in
            (0, 1]; None for .7, or for what the ONNX file was exported with.

    Raises:
        ConfigError: there is no such model, or it is damaged, or `p_none_max` is not what the
            ONNX file was exported with.
        ModuleNotFoundError: an ONNX file needs the extra `[onnx]`.
    """
    if path.endswith(".onnx"):
        return _onnx_model(Path(path), p_none_max)
    saved = load_saved(path)
    threshold = P_NONE_MAX if p_none_max is None else p_none_max

    def find(events: Events) -> tuple[Floats, Floats]:
        found = predict(saved.network, events, p_none_max=threshold)
        return found.probabilities, found.kept

    origin = {"model_sha256": sha256(saved.file), "p_none_max": threshold}
    return Model(find, origin | saved.provenance)


def _onnx_model(path: Path, p_none_max: float | None) -> Model:
    run, metadata = open_onnx(path)
    fixed = json.loads(metadata.get("p_none_max", "null"))
    if p_none_max not in (None, fixed):
        raise ConfigError(f"p_none_max={p_none_max}: {path} has {fixed} inside; export it again")

    def find(events: Events) -> tuple[Floats, Floats]:
        parts = [
            run(events.x[a:b]) for a, b in zip(events.offsets, events.offsets[1:], strict=False)
        ]
        nothing = np.zeros((0, N_CLASSES), np.float32), np.zeros((0, N_Y), np.float32)
        probabilities, particles = zip(nothing, *((p[0], p[2]) for p in parts), strict=True)
        return np.concatenate(probabilities), np.concatenate(particles)

    origin = {"model_sha256": sha256(path), "p_none_max": fixed}
    return Model(find, origin | json.loads(metadata.get("provenance", "{}")))


def open_onnx(path: Path) -> tuple[Callable[[Floats], Outputs], dict[str, str]]:
    """Return a function of one event's elements, shape (N, 12), and the metadata of the file.

    It uses as many threads as PyTorch.

    Raises:
        ConfigError: there is no such file, or it is not ours.
        ModuleNotFoundError: the extra `[onnx]` is not installed.
    """
    import onnxruntime

    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        shapes = [(value.name, value.shape[1]) for value in session.get_outputs()]
        if shapes != [("pid", 6), ("charge", 3), ("particles", 7)]:
            raise ValueError(f"outputs {shapes}")
    except Exception as error:  # onnxruntime's own exceptions have no common class
        line = (str(error) or repr(error)).splitlines()[0]
        raise ConfigError(f"{path}: not an ONNX file of mlpf.export ({line})") from error

    def run(x: Floats) -> Outputs:
        pid, charge, particles = session.run(None, {"x": np.asarray(x, np.float32)})
        return pid, charge, particles

    return run, dict(session.get_modelmeta().custom_metadata_map)
