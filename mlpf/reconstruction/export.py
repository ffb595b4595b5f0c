"""A trained network as one file, as `conf/export.yaml` says, and its comparison with PyTorch."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig

from commons.files import replacing
from mlpf import __version__
from mlpf.config import ConfigError, build
from mlpf.data.files import iterate_events
from mlpf.data.matching import matching_files
from mlpf.network.saved import Saved, load_saved
from mlpf.network.weights import Weights, write_weights
from mlpf.reconstruction.agreement import compare
from mlpf.reconstruction.exporting import NotExportable, traced, write_onnx, write_torch
from mlpf.reconstruction.inputs import model_of, one_of, output_of, threshold_of
from mlpf.reconstruction.models import open_onnx
from mlpf.reconstruction.one_event import OneEvent
from mlpf.schema import X_COLUMNS, Y_COLUMNS, Particle

# And the file in the folder of a training that is written if no other is named.
FORMATS: Final = {"onnx": "mlpf.onnx", "torch": "mlpf.pt2", "weights": "mlpf.npz"}
_N_EVENTS: Final = 20  # of the comparison

Floats = NDArray[np.float32]


class Disagreement(ValueError):
    """An exported network gives other results than the network; the message has the figures."""


def export(cfg: DictConfig) -> str:
    """Write the file and return what to tell the user.

    Raises:
        ConfigError: an argument is wrong.
        NotExportable: the network has an operation that cannot be exported, or one that fails.
        Disagreement: the file gives other results; it is not kept.
        OSError: the file cannot be written.
    """
    kind = one_of("format", cfg.format, FORMATS)
    out = output_of(cfg, FORMATS[kind])
    threshold = threshold_of(cfg)
    if threshold is None:
        raise ConfigError("p_none_max: a number is needed")
    saved = load_saved(model_of(cfg))
    if kind == "weights":
        weights = Weights.of(saved.network, saved.model, saved.provenance)
        write_weights(weights, out, half=bool(cfg.half))
        return f"{out}: {out.stat().st_size / 1e3:.0f} kB"
    network = OneEvent(saved.network, threshold).eval()
    events = _events(cfg, saved)
    events += [events[0][:0], events[0][:1]]  # legal, and special sizes for any exporter
    with replacing(out) as partial:
        run = _written(kind, network, partial, _metadata(saved, threshold))
        try:
            agreement = compare(network, run, events)
        except Exception as error:  # of onnxruntime or torch, which raise many kinds
            line = (str(error) or repr(error)).splitlines()[0]
            raise NotExportable(f"{out} is not written, it does not run: {line}") from error
        if not agreement.is_met:
            raise Disagreement(f"{out} is not written: {agreement}")
    return f"{out}: {out.stat().st_size / 1e3:.0f} kB; compared on {agreement}"


def _written(
    kind: str, network: OneEvent, path: Path, metadata: dict[str, Any]
) -> Callable[[Floats], Sequence[Floats]]:
    """Write the file and return the function that it holds, read back."""
    program = traced(network)
    if kind == "onnx":
        write_onnx(program, path, metadata)
        return open_onnx(path)[0]
    write_torch(program, path, metadata)
    module = torch.export.load(io.BytesIO(path.read_bytes())).module()

    def run(x: Floats) -> Sequence[Floats]:
        with torch.no_grad():
            return [output.numpy() for output in module(torch.from_numpy(x))]

    return run


def _metadata(saved: Saved, p_none_max: float) -> dict[str, Any]:
    """Return what a user of the file must know."""
    return {
        "producer": f"mlpf-hpo {__version__}",
        "classes": [kind.name for kind in Particle],
        "charges": [-1, 0, 1],
        "x_columns": X_COLUMNS,
        "particle_columns": Y_COLUMNS,
        "units": "GeV, radians",
        "p_none_max": p_none_max,
        "provenance": saved.provenance | {"model": saved.model},
    }


def _events(cfg: DictConfig, saved: Saved) -> list[Floats]:
    """Return x of the first events of `files`, or of the test or validation events."""
    files = matching_files("files", cfg.files) if cfg.files is not None else _files(saved)
    found: list[Floats] = []
    try:
        for path in files:
            for _, events in iterate_events(path):
                bounds = zip(events.offsets, events.offsets[1:], strict=False)
                found += [events.x[a:b] for a, b in bounds][: _N_EVENTS - len(found)]
                if len(found) == _N_EVENTS:
                    return found
    except ValueError as error:
        raise ConfigError(f"files: {error}") from error
    if not found:
        raise ConfigError("files: there is no event in them")
    return found


def _files(saved: Saved) -> list[Path]:
    if saved.config is not None:
        try:
            splits = build(saved.config, "data").files()
        except ValueError as error:
            raise ConfigError(f"data: {error}") from error
        files: list[Path] = splits["test"] or splits["val"]
        if files:
            return files
    raise ConfigError("no events to compare with: give files=FILES, any events of the same kind")
