"""Operations of PyTorch that its ONNX exporter does not translate, or translates badly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnxscript
import torch
from onnx_ir.passes import common

op: Any = onnxscript.opset18


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Return for operations of PyTorch the functions that build their ONNX nodes."""
    aten = torch.ops.aten
    return {
        aten.sort.stable: _sort,
        aten.hypot.default: _hypot,
        aten.lerp.Tensor: _lerp,
        aten.diagonal_scatter.default: _diagonal_scatter,
    }


def simplify(model: Any) -> None:
    """Fold constants and remove what is there twice, in place; the exporter's own way is slow.

    Args:
        model: an `onnx_ir.Model`.
    """
    common.InlinePass()(model)
    onnxscript.optimizer.fold_constants_ir(model)
    for tidy in (
        common.RemoveUnusedNodesPass(),
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.DeduplicateInitializersPass(),
        common.CommonSubexpressionEliminationPass(),
        common.OutputFixPass(),
        common.NameFixPass(),
    ):
        tidy(model)


def _sort(x: Any, *, stable: bool, dim: int = -1, descending: bool = False) -> Any:
    """By the standard, TopK puts the lower index first among equal values: it is stable."""
    assert stable
    return op.TopK(x, op.Shape(x), axis=dim, largest=descending, sorted=True)


def _hypot(x: Any, y: Any) -> Any:
    return op.Sqrt(op.Add(op.Mul(x, x), op.Mul(y, y)))


def _lerp(start: Any, end: Any, weight: Any) -> Any:
    """In three passes; PyTorch's own formula takes seven, for weights of exactly 1."""
    return op.Add(start, op.Mul(weight, op.Sub(end, start)))


def _diagonal_scatter(x: Any, values: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """Put values on the diagonals of the matrices x, shape (K, S, S)."""
    assert (offset, dim1, dim2) == (0, 1, 2)
    size = op.Slice(op.Shape(x), [1], [3])
    diagonal = op.Cast(op.EyeLike(op.ConstantOfShape(size)), to=9)  # BOOL
    return op.Where(diagonal, op.Unsqueeze(values, [2]), x)
