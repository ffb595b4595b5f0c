"""A network as an ONNX file or a `torch.export` program, for any number of elements."""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch.export import ExportedProgram

from mlpf.reconstruction.one_event import OUTPUTS, OneEvent
from mlpf.schema import N_X
from mlpf.torch_internals import any_size

OPSET: Final = 18
_N_EXAMPLE: Final = 1000  # elements of the example; any number that is not special


class NotExportable(ValueError):
    """A network has an operation that cannot be exported; the message says which."""


def traced(model: OneEvent) -> ExportedProgram:
    """Return a program of plain operations, for any number of elements.

    Raises:
        NotExportable: the network branches on values, or has an operation without a translation.
    """
    n_elements = torch.export.Dim.DYNAMIC
    example = torch.zeros(_N_EXAMPLE, N_X)
    try:
        with torch.no_grad(), any_size(), _quiet():
            return torch.export.export(
                model.eval(), (example,), dynamic_shapes={"x": {0: n_elements}}, strict=False
            )
    except Exception as error:  # torch raises many kinds
        raise NotExportable(_reason(error)) from error


def write_torch(program: ExportedProgram, path: Path, metadata: Mapping[str, Any]) -> None:
    """Write a program that `torch.export.load` reads; the metadata are its file `metadata`."""
    with _quiet():
        torch.export.save(program, path, extra_files={"metadata": json.dumps(dict(metadata))})


def write_onnx(program: ExportedProgram, path: Path, metadata: Mapping[str, Any]) -> None:
    """Write an ONNX file of standard operations, opset 18, in float32.

    Args:
        program: of `traced`.
        path: the file.
        metadata: written as `metadata_props`; texts as they are, other values as JSON.

    Raises:
        NotExportable: an operation has no translation.
        ModuleNotFoundError: the extra `[onnx]` is not installed.
    """
    import onnx

    from mlpf.reconstruction.onnx_operators import simplify, translations

    try:
        with _quiet():
            exported = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                input_names=["x"],
                output_names=OUTPUTS,
                custom_translation_table=translations(),
                optimize=False,
                verbose=False,
            )
            assert exported is not None
            simplify(exported.model)
            model = exported.model_proto
    except Exception as error:  # torch raises many kinds
        raise NotExportable(_reason(error)) from error
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in metadata.items()}
    onnx.helper.set_model_props(model, texts)
    _name_sizes(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _name_sizes(model: Any) -> None:
    """Give the number of elements its name, whatever the exporter called it."""
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return next(iter(str(error).strip().splitlines()), repr(error))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' remarks about themselves from the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
