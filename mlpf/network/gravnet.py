"""Graph layers whose edges join the nearest elements in a learned space (GravNet).

Each layer maps the elements of an event into a space of few dimensions, finds the k nearest of
each there, and gathers their features, weighted by a Gaussian of the distance ([Qasim2019]_). The
search takes time that grows with the square of an event's elements.

Shapes: M elements of the batch, D dimensions of the space, O width of the features, P width of
the messages, E edges.

.. [Qasim2019] Learning representations of irregular particle-detector geometry with
   distance-weighted graph networks, arXiv:1902.07987.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import MessagePassing
from torch_geometric.nn.aggr import MultiAggregation

from mlpf.config import check_at_least, check_number
from mlpf.network.model import ParticleFlowNetwork
from mlpf.network.neighbors import EventLayout, find_neighbors
from mlpf.network.precision import full_precision


@dataclass(frozen=True, kw_only=True)
class GravNetOptions:
    """The hyperparameters of a GravNet layer; `mlpf.GravNet` describes them.

    Raises:
        ValueError: a value is out of its range.
    """

    output_dim: int
    distance_dim: int
    message_dim: int
    n_neighbors: int
    dist_mult: float
    layernorm: bool
    dropout: float
    position_gain: float

    def __post_init__(self) -> None:
        check_at_least(
            1,
            output_dim=self.output_dim,
            distance_dim=self.distance_dim,
            message_dim=self.message_dim,
            n_neighbors=self.n_neighbors,
        )
        check_number("dist_mult", self.dist_mult, zero=False)
        check_number("position_gain", self.position_gain)
        check_number("dropout", self.dropout, below=1.0)


class GravNetLayer(MessagePassing):  # type: ignore[misc]
    """One learned space, the messages between neighbors in it, and the new features.

    y_i = ELU(W x_i + V (mean_j m_ij, max_j m_ij)), m_ij = exp(-dist_mult d_ij^2) H x_j over the
    nearest j, i among them. The coordinates in the space are a linear map of the features plus
    one of the position, which starts as `position_gain` times an isometry: the neighbors of a
    new network are those in the detector.
    """

    def __init__(self, options: GravNetOptions) -> None:
        super().__init__(aggr=MultiAggregation(["mean", "max"]))
        width = options.output_dim
        self.options = options
        self.input_norm = nn.LayerNorm(width) if options.layernorm else nn.Identity()
        self.embed = nn.Linear(width, options.distance_dim)
        self.locate = nn.Linear(3, options.distance_dim, bias=False)
        nn.init.orthogonal_(self.locate.weight)
        self.send = nn.Linear(width, options.message_dim)
        self.own = nn.Linear(width, width, bias=False)
        self.receive = nn.Linear(2 * options.message_dim, width)
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, x: Tensor, position: Tensor, layout: EventLayout) -> Tensor:
        """Return the new features, shape (M, O), from the features `x`, shape (M, O).

        `position`, shape (M, 3), is where the elements are in space; coordinates of order 1.
        """
        x = self.input_norm(x)
        # Rounding to bfloat16 or TF32 would change the neighbors.
        with torch.autocast(x.device.type, enabled=False), full_precision():
            points = self.embed(x.to(position.dtype))
            points = points + self.options.position_gain * self.locate(position)
            neighbors = find_neighbors(points, layout, self.options.n_neighbors)
            source, target = neighbors.source, neighbors.target
            offsets = points.index_select(0, source) - points.index_select(0, target)
            weight = torch.exp(-self.options.dist_mult * offsets.square().sum(1, keepdim=True))
        messages = self.send(x)
        # propagate_type: (messages: Tensor, weight: Tensor, first: Tensor)
        gathered = self.propagate(
            torch.stack([source, target]),
            messages=messages,
            weight=weight.to(messages.dtype),
            first=neighbors.first,
            size=(x.shape[0], x.shape[0]),
        )
        out: Tensor = self.dropout(functional.elu(self.own(x) + self.receive(gathered)))
        return out

    def message(self, messages_j: Tensor, weight: Tensor) -> Tensor:
        """Return the message along each edge, shape (E, P)."""
        return messages_j * weight

    def aggregate(self, inputs: Tensor, first: Tensor) -> Tensor:
        """Return mean and maximum of the messages `inputs` to each element, shape (M, 2 P)."""
        # Edges ordered by their end need no scatter: a third of the time.
        gathered: Tensor = self.aggr_module(inputs, ptr=first)
        return gathered


class GravNet(ParticleFlowNetwork):
    """The network of GravNet layers: messages between the nearest elements in learned spaces.

    It needs PyTorch Geometric: `pip install 'mlpf-hpo[gravnet]'`.

    Args:
        num_graph_layers_id: layers of the stack for class and charge, at least 0.
        num_graph_layers_reg: layers of the stack for the momentum, at least 0.
        output_dim: width of each layer's output, at least 1.
        distance_dim: dimension of the space in which neighbors are searched, at least 1.
        message_dim: width of the messages, at least 1.
        n_neighbors: k, nearest elements that an element gets messages from, itself included, at
            least 1.
        dist_mult: the weight of a message is exp(-dist_mult d^2), d the distance; positive.
        layernorm: normalize the input of each layer.
        dropout: after each layer and in the heads, in [0, 1).
        position_gain: distance in that space, before training, of positions at distance 1; at
            least 0. With 0 the network must learn which features are coordinates.
        decoder_width: hidden width of each head, at least 1.

    Raises:
        ValueError: an argument is out of its range.

    >>> from mlpf.data.batch import Batch
    >>> x, labels = torch.rand(7, 12), torch.zeros(7, 7)
    >>> batch = Batch(x, labels, labels, offsets=torch.tensor([0, 4, 7]))
    >>> [*GravNet(output_dim=8)(batch).logits.shape]
    [7, 6]
    """

    def __init__(
        self,
        *,
        num_graph_layers_id: int = 3,
        num_graph_layers_reg: int = 3,
        output_dim: int = 256,
        distance_dim: int = 4,
        message_dim: int = 128,
        n_neighbors: int = 16,
        dist_mult: float = 1.0,
        layernorm: bool = True,
        dropout: float = 0.0,
        position_gain: float = 5.0,
        decoder_width: int = 256,
    ) -> None:
        options = GravNetOptions(
            output_dim=output_dim,
            distance_dim=distance_dim,
            message_dim=message_dim,
            n_neighbors=n_neighbors,
            dist_mult=dist_mult,
            layernorm=layernorm,
            dropout=dropout,
            position_gain=position_gain,
        )
        super().__init__(
            partial(GravNetLayer, options),
            num_graph_layers_id=num_graph_layers_id,
            num_graph_layers_reg=num_graph_layers_reg,
            output_dim=output_dim,
            decoder_width=decoder_width,
            dropout=dropout,
        )
