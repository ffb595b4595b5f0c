"""Calorimeter cells as tensors: where directions point, and sums over the elements of a cell.

Shapes: M elements of the batch, R rings of cells.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mlpf.detector import CellGrid


class Cells(nn.Module):
    """The cells of a grid; the numbers are those of `detector.CellGrid.find`."""

    eta_edges: Tensor
    n_phi: Tensor
    first_cell: Tensor

    def __init__(self, grid: CellGrid) -> None:
        super().__init__()
        self.n_cells = grid.n_cells
        edges = torch.tensor(grid.eta_edges, dtype=torch.float32)
        self.register_buffer("eta_edges", edges, persistent=False)
        self.register_buffer("n_phi", torch.tensor(grid.n_phi), persistent=False)
        self.register_buffer("first_cell", torch.tensor(grid.first_cell), persistent=False)

    def find(self, eta: Tensor, phi: Tensor) -> Tensor:
        """Return the cell of each direction, shape (M,) int64; outside, that at the edge.

        Args:
            eta: shape (M,).
            phi: shape (M,), in [-pi, pi].
        """
        ring, _ = self._ring(eta)
        return self.first_cell[ring] + self._slice(ring, phi).long()

    def centers(self, eta: Tensor, phi: Tensor) -> tuple[Tensor, Tensor]:
        """Return eta and phi of the cells' centers; outside of the grid those given.

        All shapes are (M,).
        """
        ring, inside = self._ring(eta)
        center_phi = ((self._slice(ring, phi) + 0.5) / self.n_phi[ring] - 0.5) * (2 * math.pi)
        center_eta = (self.eta_edges[ring] + self.eta_edges[ring + 1]) / 2
        return torch.where(inside, center_eta, eta), torch.where(inside, center_phi, phi)

    def _ring(self, eta: Tensor) -> tuple[Tensor, Tensor]:
        ring = (
            torch.bucketize(
                eta.clone(memory_format=torch.contiguous_format), self.eta_edges, right=True
            )
            - 1
        )
        n_rings = len(self.n_phi)
        return ring.clamp(0, n_rings - 1), (ring >= 0) & (ring < n_rings)

    def _slice(self, ring: Tensor, phi: Tensor) -> Tensor:
        n_phi = self.n_phi[ring]
        number = ((phi / (2 * math.pi) + 0.5) * n_phi).floor()
        return number.clamp(min=0).minimum(n_phi - 1)


def cell_sums(values: Tensor, cell: Tensor) -> Tensor:
    """Return for each element the sums over the elements of its cell, itself included.

    Args:
        values: shape (M, C).
        cell: shape (M,) int64, equal for elements of one cell; any values.

    Returns:
        Shape (M, C).

    >>> cell_sums(torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([7, 3, 7])).flatten().tolist()
    [5.0, 2.0, 5.0]
    """
    # Cells are numbered in the order of `cell`: at most M, however many a detector has.
    cell, order = cell.sort()
    previous = (torch.arange(cell.shape[0], device=cell.device) - 1).clamp(min=0)
    number = torch.empty_like(order).scatter(0, order, (cell != cell[previous]).cumsum(0))
    return torch.zeros_like(values).index_add(0, number, values)[number]
