"""Graph layers whose neighbourhoods are bins found by locality-sensitive hashing (GNN-LSH).

Each layer embeds the elements of an event, sorts them by a hash of the embedding, cuts the sorted
list into bins of equal size and passes messages inside each bin over a dense, learned adjacency.
The cost is linear in the number of elements. Method: [Pata2021]_; hashing: [Kitaev2020]_; gated
convolution: [Xin2020]_ (GHConv).

Rows stay in the order of the batch; only what enters the dense products inside the bins is moved
there. So padding touches neither the wide products nor the result, and each event needs its own
number of bins only.

Shapes: M elements of the batch, B events, S bin size, K bins of all events together, P = K * S
slots of these bins, D embedding dimension, W columns of the hash codebook, O output width.

.. [Pata2021] MLPF: efficient machine-learned particle-flow reconstruction using graph neural
   networks, arXiv:2101.08578.
.. [Kitaev2020] Reformer: the efficient transformer, arXiv:2001.04451.
.. [Xin2020] Graph highway networks, arXiv:2004.04635.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_SQUARED_DISTANCE_FLOOR = 1e-6  # keeps the gradient of the distance finite at equal embeddings


@dataclass(frozen=True)
class BinLayout:
    """How many bins each event has and where they lie; the same for all layers of a network.

    Args:
        bin_size: S, at least 1.
        offsets: shape (B + 1,) int64, the events' rows in the batch.
        event: shape (M,) int64, the event of each row.
        slots: shape (M,) int64, ascending; element r of an event in hashed order goes to the slot
            of the event's r-th row.
        n_columns: shape (M, 1) int64, codebook columns that the row's event uses: half its bins,
            but at least one.
        valid: shape (P, 1) bool, false where a slot stays empty.
    """

    bin_size: int
    offsets: Tensor
    event: Tensor
    slots: Tensor
    n_columns: Tensor
    valid: Tensor

    @classmethod
    def from_offsets(cls, offsets: Tensor, bin_size: int, n_elements: int) -> BinLayout:
        """Return the layout for events that begin at `offsets` and hold `n_elements` rows."""
        sizes = offsets.diff()
        n_bins = (sizes + bin_size - 1) // bin_size
        first_slot = (n_bins.cumsum(0) - n_bins) * bin_size
        event = torch.repeat_interleave(sizes, output_size=n_elements)
        rows = torch.arange(n_elements, device=offsets.device)
        slots = rows + (first_slot - offsets[:-1])[event]
        n_slots = int(n_bins.sum()) * bin_size
        valid = torch.zeros(n_slots, 1, dtype=torch.bool, device=offsets.device)
        valid[slots] = True
        n_columns = (n_bins // 2).clamp(min=1)[event].unsqueeze(1)
        return cls(bin_size, offsets, event, slots, n_columns, valid)


@dataclass(frozen=True)
class Binning:
    """Which element sits in which slot of a layout.

    Args:
        layout: the bins.
        slot: shape (M,) int64, the slot of each element.
        source: shape (P,) int64, the element in each slot; 0 in an empty one.
    """

    layout: BinLayout
    slot: Tensor
    source: Tensor

    @classmethod
    def from_order(cls, layout: BinLayout, order: Tensor) -> Binning:
        """Fill the slots with the elements `order`, shape (M,): event by event, a permutation."""
        slot = torch.empty_like(order)
        slot[order] = layout.slots
        source = torch.zeros(len(layout.valid), dtype=order.dtype, device=order.device)
        source[layout.slots] = order
        return cls(layout, slot, source)

    def to_bins(self, x: Tensor) -> Tensor:
        """Return the rows of `x`, shape (M, C), in their bins, shape (K, S, C), 0 if empty."""
        spread = _apply(_ToBins, x, self.slot, self.source, self.layout.valid)
        return spread.view(-1, self.layout.bin_size, x.shape[1])

    def from_bins(self, binned: Tensor) -> Tensor:
        """Return the rows, shape (M, C), of `binned`, shape (K, S, C); undoes `to_bins`."""
        flat = binned.reshape(len(self.source), binned.shape[2])
        return _apply(_FromBins, flat, self.slot, self.source, self.layout.valid)


def _apply(function: type[torch.autograd.Function], *args: Any) -> Tensor:
    result: Tensor = function.apply(*args)  # type: ignore[no-untyped-call]
    return result


class _ToBins(torch.autograd.Function):
    """A gather whose gradient is a gather too: PyTorch's own would be a slow scatter-add."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slot: Tensor, source: Tensor, valid: Tensor) -> Tensor:
        ctx.save_for_backward(slot)
        return x.index_select(0, source).mul_(valid)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (slot,) = ctx.saved_tensors
        return grads[0].index_select(0, slot), None, None, None


class _FromBins(torch.autograd.Function):
    """The transpose of `_ToBins`."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor, slot: Tensor, source: Tensor, valid: Tensor) -> Tensor:
        ctx.save_for_backward(source, valid)
        return flat.index_select(0, slot)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        source, valid = ctx.saved_tensors
        return grads[0].index_select(0, source).mul_(valid), None, None, None


class Hashing(nn.Module):
    """Angular locality-sensitive hashing with a fixed random codebook.

    An element's code is the codebook direction, of +R and -R, that its embedding points along
    most. An event of n bins uses n // 2 columns of R, so about as many codes as bins. The
    embedding is centred per event first: distances do not change, but a common offset would
    otherwise give nearly all elements the same code.

    Inside one code the elements are ordered by their projection on the next column. So the order
    depends on the embedding alone: a permutation of the rows of an event changes nothing, unless
    two different rows tie exactly (equal rows may be exchanged, which nobody sees).

    Args:
        distance_dim: D, at least 1.
        max_n_bins: twice the number W of codebook columns, at least 2. Larger events work, with
            fewer codes than bins.
    """

    codebook: Tensor

    def __init__(self, distance_dim: int, max_n_bins: int) -> None:
        super().__init__()
        self.register_buffer("codebook", torch.randn(distance_dim, max_n_bins // 2))

    @torch.no_grad()
    def forward(self, embedding: Tensor, layout: BinLayout) -> Binning:
        """Return the bins of the elements with `embedding`, shape (M, D)."""
        means = torch.segment_reduce(embedding, "mean", offsets=layout.offsets, axis=0)
        projections = (embedding - means[layout.event]) @ self.codebook
        width = projections.shape[1]
        unused = torch.arange(width, device=embedding.device) >= layout.n_columns
        column = projections.abs().masked_fill(unused, -1.0).argmax(1, keepdim=True)
        code = column + width * (projections.gather(1, column) < 0)
        within = projections.gather(1, (column + 1) % width).double()
        # One stable sort for all events: the whole part is (event, code), the rest lies in (0, 1).
        key = layout.event * (2 * width) + code.squeeze(1) + 0.5
        order = torch.argsort(key + within.squeeze(1).atan() / torch.pi, stable=True)
        return Binning.from_order(layout, order)


def gaussian_adjacency(
    embedding: Tensor, valid: Tensor, dist_mult: float, clip_value_low: float
) -> Tensor:
    """Return A_ij = max(exp(-dist_mult d_ij), clip_value_low) inside each bin.

    d_ij = |a_i - a_j|, at least 1e-3: below, its gradient would lose its meaning to rounding. The
    diagonal is exact, not a rounded difference. Empty slots have no edge, whatever the clipping.
    The gradient is 0 where the distance or the edge weight is at its floor.

    Args:
        embedding: shape (K, S, D), float32 or float64.
        valid: shape (K, S), false in empty slots.
        dist_mult: positive, per unit of embedding distance.
        clip_value_low: in [0, 1).

    Returns:
        Shape (K, S, S), symmetric, in [0, 1].
    """
    return _apply(_GaussianAdjacency, embedding, valid, dist_mult, clip_value_low)


class _GaussianAdjacency(torch.autograd.Function):
    """One product in the backward pass instead of the two that baddbmm's own gradient takes."""

    @staticmethod
    def forward(
        ctx: Any, embedding: Tensor, valid: Tensor, dist_mult: float, clip_value_low: float
    ) -> Tensor:
        # |a|^2 - 2ab + |b|^2 cancels; it does so less around the middle of the bin.
        centred = embedding - embedding.mean(1, keepdim=True)
        norms = centred.square().sum(2, keepdim=True)
        distance = torch.baddbmm(norms.mT, centred, centred.mT, alpha=-2.0).add_(norms)
        distance.diagonal(dim1=1, dim2=2).zero_()
        floor = distance <= _SQUARED_DISTANCE_FLOOR
        distance.clamp_(min=_SQUARED_DISTANCE_FLOOR).sqrt_()
        adjacency = torch.exp(distance * -dist_mult)
        if clip_value_low > 0.0:
            floor |= adjacency < clip_value_low
            adjacency.clamp_(min=clip_value_low)
        adjacency *= valid.unsqueeze(1)
        adjacency *= valid.unsqueeze(2)
        # An infinite distance stands for "no gradient": the backward pass divides by it.
        ctx.save_for_backward(centred, adjacency, distance.masked_fill_(floor, torch.inf))
        ctx.dist_mult = dist_mult
        return adjacency

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        centred, adjacency, distance = ctx.saved_tensors
        with torch.autocast(centred.device.type, enabled=False):
            pull = (grads[0] + grads[0].mT).mul_(adjacency).div_(distance)
            grad = pull.sum(2, keepdim=True) * centred
            grad = torch.baddbmm(grad, pull, centred, beta=-ctx.dist_mult, alpha=ctx.dist_mult)
        return grad, None, None, None


class GHConv(nn.Module):
    """Gated graph convolution: y = ELU(g * A'(x Theta) + (1 - g) * x W_h), g = sigmoid(x W_t + b).

    A' is the adjacency, with normalised degrees n A n if a `norm` n is given. The three weights
    are one matrix, drawn Xavier-normal per product (standard deviation sqrt(2 / (in + out)),
    0.0625 for 256 to 256); the bias starts at 0.

    Args:
        n_in: width of the input.
        n_out: O.
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

        Args:
            x: shape (M, n_in).
            adjacency: shape (K, S, S).
            norm: shape (M, 1) or None.
            binning: where the elements lie in the bins.
        """
        message, own, gate = functional.linear(x, self.weight).chunk(3, dim=1)
        if norm is not None:
            message = message * norm
        gathered = binning.from_bins(torch.bmm(adjacency, binning.to_bins(message)))
        if norm is not None:
            gathered = gathered * norm
        gate = torch.sigmoid(gate + self.gate_bias).to(own.dtype)
        return functional.elu(torch.lerp(own, gathered.to(own.dtype), gate))


@dataclass(frozen=True, kw_only=True)
class GraphOptions:
    """The hyperparameters of a graph layer.

    Args:
        output_dim: O.
        distance_dim: D, dimension of the space in which neighbours are sought.
        ffn_dist_hidden_dim: width of the hidden layers of the network that embeds into it.
        ffn_dist_num_layers: number of these layers, at least 1.
        num_node_messages: convolutions over the same graph, at least 1.
        dist_mult: inverse length scale of the edge weights, positive.
        clip_value_low: smallest edge weight inside a bin, in [0, 1).
        normalize_degrees: divide each message by the root of both ends' summed edge weights.
        layernorm: normalise the input of the layer.
        dropout: after each hidden embedding layer and each convolution, in [0, 1).
        max_n_bins: see `Hashing`.

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
        if not self.dist_mult > 0.0:
            raise ValueError(f"dist_mult must be > 0, got {self.dist_mult}")
        for name in ("clip_value_low", "dropout"):
            if not 0.0 <= (value := getattr(self, name)) < 1.0:
                raise ValueError(f"{name} must be in [0, 1), got {value}")


def check_at_least(minimum: int, **values: int) -> None:
    """Raise a ValueError that names the first of `values` below `minimum`."""
    for name, value in values.items():
        if value < minimum:
            raise ValueError(f"{name} must be >= {minimum}, got {value}")


class GraphLayer(nn.Module):
    """One learned graph and the messages passed over it.

    Args:
        n_in: width of the input features.
        options: everything else.
    """

    def __init__(self, n_in: int, options: GraphOptions) -> None:
        super().__init__()
        self.options = options
        self.input_norm = nn.LayerNorm(n_in) if options.layernorm else nn.Identity()
        widths = [n_in] + [options.ffn_dist_hidden_dim] * options.ffn_dist_num_layers
        hidden = [
            block
            for a, b in pairwise(widths)
            for block in (nn.Linear(a, b), nn.ELU(), nn.Dropout(options.dropout))
        ]
        self.embed = nn.Sequential(*hidden, nn.Linear(widths[-1], options.distance_dim))
        self.hashing = Hashing(options.distance_dim, options.max_n_bins)
        conv_inputs = [n_in] + [options.output_dim] * (options.num_node_messages - 1)
        self.convs = nn.ModuleList(GHConv(width, options.output_dim) for width in conv_inputs)
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, x: Tensor, layout: BinLayout) -> Tensor:
        """Return the new features, shape (M, O), of elements with features `x`, (M, n_in)."""
        x = self.input_norm(x)
        embedding = self.embed(x)
        # Rounding to bfloat16 would move whole bins and wipe out small distances.
        with torch.autocast(x.device.type, enabled=False):
            adjacency, norm, binning = self._graph(_at_least_float32(embedding), layout)
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
            self.options.dist_mult,
            self.options.clip_value_low,
        )
        if not self.options.normalize_degrees:
            return adjacency, None, binning
        degree = binning.from_bins(adjacency.sum(2, keepdim=True))
        return adjacency, torch.rsqrt(degree + 1e-6), binning


def _at_least_float32(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
