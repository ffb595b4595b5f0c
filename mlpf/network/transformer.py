"""Transformer layers: every element attends to all elements of its event.

Pre-norm blocks ([Xiong2020]_) of scaled-dot-product attention ([Vaswani2017]_) whose queries and
keys are rotated by angles proportional to the element's place, so that their product depends on
differences of places alone (rotary embedding, [Su2021]_). The time grows with the square of an
event's elements, the memory with their number.

Shapes: M elements of the batch, N elements of one event, O width of the features, H heads, A
width of a head, R = A / 4 frequencies.

.. [Vaswani2017] Attention is all you need, arXiv:1706.03762.
.. [Xiong2020] On layer normalization in the transformer architecture, arXiv:2002.04745.
.. [Su2021] RoFormer: enhanced transformer with rotary position embedding, arXiv:2104.09864.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlpf.config import check_at_least, check_number
from mlpf.network.model import ParticleFlowNetwork
from mlpf.network.neighbors import EventLayout

# Scores of one head computed at once where no fused kernel exists: 256 MiB of float32.
_N_SCORES = 2**26
_MAX_FREQUENCY = 16.0  # per unit of eta and phi: half a turn is two cells


@dataclass(frozen=True, kw_only=True)
class TransformerOptions:
    """The hyperparameters of a transformer layer; `mlpf.Transformer` describes them.

    Raises:
        ValueError: a value is out of its range.
    """

    output_dim: int
    num_heads: int
    ffn_hidden_dim: int
    layernorm: bool
    dropout: float
    position_gain: float

    def __post_init__(self) -> None:
        check_at_least(1, num_heads=self.num_heads, ffn_hidden_dim=self.ffn_hidden_dim)
        check_number("position_gain", self.position_gain)
        check_number("dropout", self.dropout, below=1.0)
        if self.output_dim % (4 * self.num_heads):
            raise ValueError(
                f"output_dim must be a multiple of 4 * num_heads = {4 * self.num_heads}, "
                f"got {self.output_dim}"
            )


class Rotation(nn.Module):
    """Rotates the features of a head, in pairs, by multiples of the element's eta and phi.

    Scalar products of rotated vectors depend on differences of eta and phi. The multiples are
    integers from 1 to 16, because phi is periodic; half of the pairs turn with eta, half with phi.
    """

    frequencies: Tensor

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        exponents = torch.linspace(0.0, 1.0, head_dim // 4)
        self.register_buffer("frequencies", (_MAX_FREQUENCY**exponents).round(), persistent=False)

    def angles(self, position: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosine and sine of the angles, shape (M, 1, A / 2), at `position`, (M, 3)."""
        phi = torch.atan2(position[:, 1], position[:, 2])
        places = torch.stack([position[:, 0], phi], 1)
        angles = (places.unsqueeze(2) * self.frequencies).flatten(1).unsqueeze(1)
        return angles.cos(), angles.sin()

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Return `x`, shape (M, H, A), rotated; in the precision of the angles."""
        a, b = x.chunk(2, dim=2)
        return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=2)


class Attention(nn.Module):
    """Attention of all elements of an event to each other, with several heads.

    Queries and keys start with a common constant vector, whose rotated scalar product is largest
    for elements in the same place: the attention of a new layer is local.
    """

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        self.shape = (options.num_heads, options.output_dim // options.num_heads)
        width, head_dim = options.output_dim, self.shape[1]
        self.rotation = Rotation(head_dim)
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        constant = torch.zeros(3, *self.shape)
        constant[:2, :, : head_dim // 2] = (2 * options.position_gain / head_dim**0.5) ** 0.5
        with torch.no_grad():
            self.project.bias.copy_(constant.flatten())

    def forward(self, x: Tensor, position: Tensor, layout: EventLayout) -> Tensor:
        """Return the new features, shape (M, O), from the features `x`, shape (M, O)."""
        query, key, value = self.project(x).unflatten(1, (3, *self.shape)).unbind(1)
        angles = self.rotation.angles(position)
        query, key = (self.rotation(part, *angles).to(value.dtype) for part in (query, key))
        events = zip(*map(layout.split, (query, key, value)), strict=True)
        attended = [attend(*event) for event in events]
        out: Tensor = self.out(torch.cat([value[:0], *attended]).flatten(1))
        return out


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return softmax(query key^T / sqrt(A)) value of one event; all of shape (N, H, A).

    The queries come in parts, so that the memory grows with N and not its square even where
    PyTorch has no fused kernel.
    """
    query, key, value = (part.transpose(0, 1).unsqueeze(0) for part in (query, key, value))
    if torch.compiler.is_compiling():  # a program has no number of parts of its own
        parts: Sequence[Tensor] = [query]
    else:
        parts = torch.split(query, max(1, _N_SCORES // max(1, query.shape[2])), dim=2)
    attended = [functional.scaled_dot_product_attention(part, key, value) for part in parts]
    return torch.cat(attended, dim=2).squeeze(0).transpose(0, 1)


class TransformerLayer(nn.Module):
    """Attention, then a network of one hidden layer for each element, each added to its input."""

    def __init__(self, options: TransformerOptions) -> None:
        super().__init__()
        width, hidden = options.output_dim, options.ffn_hidden_dim
        norms = [nn.LayerNorm(width) if options.layernorm else nn.Identity() for _ in range(2)]
        self.attention_norm, self.ffn_norm = norms
        self.attention = Attention(options)
        self.ffn = nn.Sequential(
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Dropout(options.dropout),
            nn.Linear(hidden, width),
        )
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, x: Tensor, position: Tensor, layout: EventLayout) -> Tensor:
        """Return the new features, shape (M, O), from the features `x`, shape (M, O).

        `position`, shape (M, 3), is where the elements are: eta, sin(phi), cos(phi).
        """
        x = x + self.dropout(self.attention(self.attention_norm(x), position, layout))
        out: Tensor = x + self.dropout(self.ffn(self.ffn_norm(x)))
        return out


class Transformer(ParticleFlowNetwork):
    """The network of transformer layers: every element attends to all elements of its event.

    Args:
        num_graph_layers_id: layers of the stack for class and charge, at least 0.
        num_graph_layers_reg: layers of the stack for the momentum, at least 0.
        output_dim: width of each layer's output, a multiple of 4 * num_heads.
        num_heads: of the attention, at least 1.
        ffn_hidden_dim: hidden width of the network after the attention, at least 1.
        layernorm: normalize the input of attention and network (pre-norm).
        dropout: after attention, each hidden layer and each network, in [0, 1).
        position_gain: score of two elements in the same place, before training, where distant
            ones have about 0; at least 0. The larger, the more local is the attention of a new
            network.
        decoder_width: hidden width of each head, at least 1.

    Raises:
        ValueError: an argument is out of its range.

    >>> from mlpf.data.batch import Batch
    >>> x, labels = torch.rand(7, 12), torch.zeros(7, 7)
    >>> batch = Batch(x, labels, labels, offsets=torch.tensor([0, 4, 7]))
    >>> [*Transformer(output_dim=8, num_heads=2)(batch).logits.shape]
    [7, 6]
    """

    def __init__(
        self,
        *,
        num_graph_layers_id: int = 3,
        num_graph_layers_reg: int = 3,
        output_dim: int = 256,
        num_heads: int = 8,
        ffn_hidden_dim: int = 256,
        layernorm: bool = True,
        dropout: float = 0.0,
        position_gain: float = 8.0,
        decoder_width: int = 256,
    ) -> None:
        options = TransformerOptions(
            output_dim=output_dim,
            num_heads=num_heads,
            ffn_hidden_dim=ffn_hidden_dim,
            layernorm=layernorm,
            dropout=dropout,
            position_gain=position_gain,
        )
        super().__init__(
            partial(TransformerLayer, options),
            num_graph_layers_id=num_graph_layers_id,
            num_graph_layers_reg=num_graph_layers_reg,
            output_dim=output_dim,
            decoder_width=decoder_width,
            dropout=dropout,
        )
