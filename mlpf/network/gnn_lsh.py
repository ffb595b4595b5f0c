"""Graph layers whose neighborhoods are bins found by locality-sensitive hashing (GNN-LSH).

Each layer embeds the elements of an event, collects near ones in bins (`bins`) and passes
messages inside each bin over a dense, learned adjacency. The cost is linear in the number of
elements. Method: [Pata2021]_; gated convolution: [Xin2020]_ (GHConv).

Shapes: M elements of the batch, S bin size, K bins of all events together, D embedding dimension,
O output width.

.. [Pata2021] J. Pata et al., MLPF, arXiv:2101.08578.
.. [Xin2020] Graph highway networks, arXiv:2004.04635.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlpf.config import check_at_least, check_number
from mlpf.network.bins import BinLayout, Binning, Hashing, apply
from mlpf.network.precision import full_precision

_SQUARED_DISTANCE_FLOOR = 1e-4  # rounding would dominate what is below


def gaussian_adjacency(
    embedding: Tensor, valid: Tensor, wide: Tensor, dist_mult: float, clip_value_low: float
) -> Tensor:
    """Return A_ij = max(exp(-dist_mult d_ij), clip_value_low) inside each bin.

    d_ij = |a_i - a_j|, at least 0.01: below, rounding would dominate. The
    diagonal is exact, not a rounded difference. Empty slots have no edge, whatever the clipping.
    The gradient is 0 where the distance or the edge weight is at its floor.

    Args:
        embedding: shape (K, S, D), float32 or float64.
        valid: shape (K, S), false in empty slots.
        wide: shape (D, n), orthonormal or zero columns: directions in which the embedding is wide.
            It changes nothing but the rounding.
        dist_mult: positive, per unit of embedding distance.
        clip_value_low: in [0, 1).

    Returns:
        Shape (K, S, S), symmetric, in [0, 1].
    """
    edges: Tensor
    if torch.is_grad_enabled():
        edges, _, _ = apply(_GaussianAdjacency, embedding, valid, wide, dist_mult, clip_value_low)
    else:
        squared = _squared_distances(embedding - embedding.mean(1, keepdim=True), wide)
        edges = _edge_weights(squared, valid, dist_mult, clip_value_low)
    return edges


def orthonormal(vectors: Tensor) -> Tensor:
    """Return orthonormal vectors, shape (D, n), that span what `vectors`, of this shape, do.

    One that is nearly a combination of those before it becomes 0.
    """
    found: list[Tensor] = []
    for vector in vectors.unbind(1):
        rest = vector
        for other in found:
            rest = rest - (rest @ other) * other
        norm = rest.norm()
        found.append(rest / norm.clamp(min=1e-30) * (norm > 0.1 * vector.norm()))
    return torch.stack(found, 1)


def _squared_distances(centered: Tensor, wide: Tensor) -> Tensor:
    """Return |a_i - a_j|^2 inside each bin, shape (K, S, S).

    |a|^2 - 2ab + |b|^2 cancels: its error is that of the largest |a|^2 in a bin. It is used where
    the embedding is narrow, and in the `wide` directions the difference comes before the square.
    """
    along = centered @ wide
    rest = centered - along @ wide.mT
    norms = rest.square().sum(2, keepdim=True)
    squared = torch.baddbmm(norms.mT, rest, rest.mT, alpha=-2.0).add_(norms)
    for coordinate in along.unbind(2):
        difference = coordinate.unsqueeze(2) - coordinate.unsqueeze(1)
        squared.addcmul_(difference, difference)
    squared.diagonal(dim1=1, dim2=2).zero_()
    return squared


def _edge_weights(
    squared: Tensor, valid: Tensor, dist_mult: float, clip_value_low: float
) -> Tensor:
    """Return the weights; `squared` then holds the distances."""
    distance = squared.clamp_(min=_SQUARED_DISTANCE_FLOOR).sqrt_()
    weights = (distance * -dist_mult).exp_()
    if clip_value_low > 0.0:
        weights.clamp_(min=clip_value_low)
    return weights.mul_(valid.unsqueeze(1)).mul_(valid.unsqueeze(2))


class _GaussianAdjacency(torch.autograd.Function):
    """One product in the backward pass instead of the two that baddbmm's own gradient takes."""

    @staticmethod
    def forward(
        embedding: Tensor, valid: Tensor, wide: Tensor, dist_mult: float, clip_value_low: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        centered = embedding - embedding.mean(1, keepdim=True)
        distance = _squared_distances(centered, wide)
        floor = distance <= _SQUARED_DISTANCE_FLOOR
        adjacency = _edge_weights(distance, valid, dist_mult, clip_value_low)
        if clip_value_low > 0.0:
            floor |= adjacency <= clip_value_low
        # An infinite distance stands for "no gradient": the backward pass divides by it.
        return adjacency, centered, distance.masked_fill_(floor, torch.inf)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        adjacency, centered, distance = output
        ctx.mark_non_differentiable(centered, distance)
        ctx.save_for_backward(centered, adjacency, distance)
        ctx.dist_mult = inputs[3]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None, None]:
        centered, adjacency, distance = ctx.saved_tensors
        with torch.autocast(centered.device.type, enabled=False), full_precision():
            pull = (grads[0] + grads[0].mT).mul_(adjacency).div_(distance)
            grad = pull.sum(2, keepdim=True) * centered
            grad = torch.baddbmm(grad, pull, centered, beta=-ctx.dist_mult, alpha=ctx.dist_mult)
        return grad, None, None, None, None


class GHConv(nn.Module):
    """Gated graph convolution: y = ELU(g * A'(x Theta) + (1 - g) * x W_h), g = sigmoid(x W_t + b).

    A' is the adjacency, with normalized degrees n A n if a `norm` n is given. The three weights
    are one matrix, drawn Xavier-normal per product (standard deviation sqrt(2 / (in + out)),
    0.0625 for 256 to 256); the bias starts at 0.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        parts = [nn.init.xavier_normal_(torch.empty(n_out, n_in)) for _ in range(3)]
        self.weight = nn.Parameter(torch.cat(parts))
        self.gate_bias = nn.Parameter(torch.zeros(n_out))

    def forward(
        self, x: Tensor, adjacency: Tensor, norm: Tensor | None, binning: Binning
    ) -> Tensor:
        """Return the new features, shape (M, O).

        Shapes: `x` (M, n_in), `adjacency` (K, S, S), `norm` (M, 1) or None.
        """
        message, own, gate = self._products(x)
        if norm is not None:
            message = message * norm
        gathered = binning.from_bins(torch.bmm(adjacency, binning.to_bins(message)))
        if norm is not None:
            gathered = gathered * norm
        return functional.elu_(torch.lerp(own, gathered.to(own.dtype), gate.sigmoid()))

    def _products(self, x: Tensor) -> Sequence[Tensor]:
        if torch.is_grad_enabled():  # one product, since the backward pass needs its sum
            bias = functional.pad(self.gate_bias, (self.weight.shape[0] - len(self.gate_bias), 0))
            return functional.linear(x, self.weight, bias).chunk(3, dim=1)
        message, own, gate = self.weight.chunk(3)
        products = functional.linear(x, message), functional.linear(x, own)
        return *products, functional.linear(x, gate, self.gate_bias)


@dataclass(frozen=True, kw_only=True)
class GraphOptions:
    """The hyperparameters of a graph layer; `mlpf.MLPF` describes them.

    Raises:
        ValueError: a value is out of its range.
    """

    output_dim: int
    distance_dim: int
    ffn_dist_hidden_dim: int
    ffn_dist_num_layers: int
    num_node_messages: int
    dist_mult: float
    clip_value_low: float
    normalize_degrees: bool
    layernorm: bool
    dropout: float
    position_gain: float
    max_n_bins: int

    def __post_init__(self) -> None:
        check_at_least(
            1,
            output_dim=self.output_dim,
            distance_dim=self.distance_dim,
            ffn_dist_hidden_dim=self.ffn_dist_hidden_dim,
            ffn_dist_num_layers=self.ffn_dist_num_layers,
            num_node_messages=self.num_node_messages,
        )
        check_at_least(2, max_n_bins=self.max_n_bins)
        check_number("dist_mult", self.dist_mult, zero=False)
        check_number("position_gain", self.position_gain)
        check_number("clip_value_low", self.clip_value_low, below=1.0)
        check_number("dropout", self.dropout, below=1.0)


class GraphLayer(nn.Module):
    """One learned graph and the messages passed over it.

    The embedding is a small network of the features plus a linear map of the position in space.
    The map starts as `position_gain` times an isometry: without it all edges of a new network
    would be about 1, and training would make the graph local only slowly or never.
    """

    def __init__(self, n_in: int, options: GraphOptions) -> None:
        super().__init__()
        self.options = options
        self.input_norm = nn.LayerNorm(n_in) if options.layernorm else nn.Identity()
        widths = [n_in] + [options.ffn_dist_hidden_dim] * options.ffn_dist_num_layers
        hidden: list[nn.Module] = []
        for a, b in pairwise(widths):
            hidden += [nn.Linear(a, b), nn.ELU(inplace=True), nn.Dropout(options.dropout)]
        self.embed = nn.Sequential(*hidden, nn.Linear(widths[-1], options.distance_dim))
        self.locate = nn.Linear(3, options.distance_dim, bias=False)
        nn.init.orthogonal_(self.locate.weight)
        self.hashing = Hashing(options.distance_dim, options.max_n_bins)
        conv_inputs = [n_in] + [options.output_dim] * (options.num_node_messages - 1)
        self.convs = nn.ModuleList(GHConv(width, options.output_dim) for width in conv_inputs)
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, x: Tensor, position: Tensor, layout: BinLayout) -> Tensor:
        """Return the new features, shape (M, O), from the features `x`, shape (M, n_in).

        `position`, shape (M, 3), is where the elements are in space; coordinates of order 1.
        """
        x = self.input_norm(x)
        features = self.embed(x)
        # Rounding to bfloat16 or TF32 would change the bins and remove small distances.
        with torch.autocast(x.device.type, enabled=False), full_precision():
            embedding = features.to(position.dtype)
            embedding = embedding + self.locate(self.options.position_gain * position)
            adjacency, norm, binning = self._graph(embedding, layout)
        for conv in self.convs:
            x = self.dropout(conv(x, adjacency, norm, binning))
        return x

    def _graph(
        self, embedding: Tensor, layout: BinLayout
    ) -> tuple[Tensor, Tensor | None, Binning]:
        binning: Binning = self.hashing(embedding, layout)
        adjacency = gaussian_adjacency(
            binning.to_bins(embedding),
            layout.valid.view(-1, layout.bin_size),
            orthonormal(self.locate.weight.detach()),  # the positions, times `position_gain`
            self.options.dist_mult,
            self.options.clip_value_low,
        )
        if not self.options.normalize_degrees:
            return adjacency, None, binning
        degree = binning.from_bins(adjacency.sum(2, keepdim=True))
        return adjacency, torch.rsqrt(degree + 1e-6), binning
