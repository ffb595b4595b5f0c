"""The networks: detector elements in, one particle candidate per element out.

All have the same frame, `ParticleFlowNetwork`; they differ in the layers of its two stacks.
Shapes: M elements of the batch, B events, F encoded features, O output width.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from mlpf.config import check_at_least
from mlpf.data.batch import Batch
from mlpf.network.bins import BinLayout
from mlpf.network.decoding import MOMENTUM_OUTPUTS, N_CHARGES, Prediction, pt_output
from mlpf.network.encoding import N_ENCODED, Encoder
from mlpf.network.gnn_lsh import GraphLayer, GraphOptions
from mlpf.network.heads import Heads
from mlpf.network.neighbors import EventLayout
from mlpf.schema import N_CLASSES


class Layout(Protocol):
    """What the layers of a network need to know of a batch; made once per batch.

    A backbone adds what its layers need, such as the bins of `bins.BinLayout`.
    """

    @property
    def event(self) -> Tensor:
        """The event of each element, shape (M,) int64, ascending."""


class Stack(nn.Module):
    """Layers, each fed by the one before, the first by a small network over the features.

    Args:
        n_layers: at least 0; with 0 the features pass as they are.
        layer: makes a layer, O inputs to O outputs.
        width: O.
    """

    def __init__(self, n_layers: int, layer: Callable[[], nn.Module], width: int) -> None:
        super().__init__()
        self.n_out = [N_ENCODED] + [width] * n_layers
        self.layers = nn.ModuleList(layer() for _ in range(n_layers))
        # Messages are linear in the nodes, so the nodes need e.g. energies, not their logarithms.
        self.node_encoding = nn.Sequential(
            *(nn.Linear(N_ENCODED, width), nn.ELU(), nn.Linear(width, width)) if n_layers else ()
        )

    def forward(self, encoded: Tensor, position: Tensor, layout: Layout) -> list[Tensor]:
        """Return the encoded features and the output of every layer, widths `n_out`."""
        outputs = [encoded]
        nodes = self.node_encoding(encoded)
        for layer in self.layers:
            nodes = layer(nodes, position, layout)
            outputs.append(nodes)
        return outputs


class ParticleFlowNetwork(nn.Module):
    """The frame of all networks: encoder, two stacks of layers, and their heads.

    One stack is for the class and the charge, one for the momentum. The heads read the encoded
    features and the output of every layer of their stack. The momentum heads also read the class
    logits, without passing gradients back; they start at 0, so a new network gives each element
    the momentum that the detector measured, and each tower what its tracks leave of it.

    To add a backbone, derive a class whose constructor passes on what makes one layer. Where the
    layers need to know more of a batch than which element belongs to which event, its `layout`
    returns that too. A layer is a module
    `layer(x, position, layout) -> x` with x, shape (M, O), the features of the elements and
    `position`, shape (M, 3), their places (eta, sin(phi), cos(phi)) at the calorimeter. It must
    not depend on the order of the elements of an event, nor on the other events of the batch.
    Then `conf/model/NAME.yaml` names the class and gives all its arguments.

    Args:
        layer: makes one layer.
        num_graph_layers_id: layers of the stack for class and charge, at least 0.
        num_graph_layers_reg: layers of the stack for the momentum, at least 0.
        output_dim: O, width of each layer's input and output, at least 1.
        decoder_width: hidden width of each head, at least 1.
        dropout: of the heads, in [0, 1).

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        layer: Callable[[], nn.Module],
        *,
        num_graph_layers_id: int,
        num_graph_layers_reg: int,
        output_dim: int,
        decoder_width: int,
        dropout: float,
    ) -> None:
        super().__init__()
        check_at_least(1, output_dim=output_dim, decoder_width=decoder_width)
        check_at_least(0, num_graph_layers_id=num_graph_layers_id)
        check_at_least(0, num_graph_layers_reg=num_graph_layers_reg)
        self.encoder = Encoder()
        self.id_stack = Stack(num_graph_layers_id, layer, output_dim)
        self.reg_stack = Stack(num_graph_layers_reg, layer, output_dim)
        heads = partial(Heads, width=decoder_width, dropout=dropout)
        self.class_heads = heads(self.id_stack.n_out, n_heads=1, n_out=N_CLASSES + N_CHARGES)
        momentum_in = [*self.reg_stack.n_out, N_CLASSES]
        n_heads = len(MOMENTUM_OUTPUTS)
        self.momentum_heads = heads(momentum_in, n_heads=n_heads, n_out=1, zero=True)

    def layout(self, offsets: Tensor, n_elements: int) -> Layout:
        """Return the layout of events that begin at `offsets`, shape (B + 1,)."""
        return EventLayout.from_offsets(offsets, n_elements)

    def forward(self, batch: Batch) -> Prediction:
        """Return the prediction for the elements of `batch`, in their order."""
        return self.predict(batch.x, self.layout(batch.offsets, batch.x.shape[0]))

    def predict(self, x: Tensor, layout: Layout) -> Prediction:
        """Return the prediction for the elements `x`, shape (M, 12), of events in `layout`."""
        encoded, position, ratio = self.encoder(x, layout.event)
        classes = self.class_heads(self.id_stack(encoded, position, layout))
        logits, charge = classes.split([N_CLASSES, N_CHARGES], dim=1)
        parts = self.reg_stack(encoded, position, layout)
        momentum = self.momentum_heads([*parts, logits.detach()])
        pt = momentum[:, :1] + pt_output(ratio, x).unsqueeze(1)
        return Prediction(logits, charge, torch.cat([pt, momentum[:, 1:]], 1))


class MLPF(ParticleFlowNetwork):
    """The network of GNN-LSH layers: messages inside bins found by hashing.

    Args:
        bin_size: S, elements per bin, at least 1. The cost of a layer grows with M * S.
        num_graph_layers_id: layers of the stack for class and charge, at least 0.
        num_graph_layers_reg: layers of the stack for the momentum, at least 0.
        output_dim: width of each layer's output, at least 1.
        distance_dim: dimension of the space in which neighbors are searched, at least 1.
        ffn_dist_hidden_dim: hidden width of the network that embeds into that space, at least 1.
        ffn_dist_num_layers: its hidden layers, at least 1.
        num_node_messages: convolutions over the same graph, at least 1.
        dist_mult: inverse length scale of the edge weights, positive.
        clip_value_low: smallest edge weight inside a bin, in [0, 1).
        normalize_degrees: divide each message by the root of both ends' summed edge weights.
        layernorm: normalize the input of each layer.
        dropout: after each hidden layer and each convolution, in [0, 1).
        position_gain: distance in that space, before training, of positions at distance 1; at
            least 0. The larger, the more local are the first graphs; with 0 the network must
            learn which features are coordinates.
        decoder_width: hidden width of each head, at least 1.
        max_n_bins: twice the number of hash codebook columns, at least 2.

    Raises:
        ValueError: an argument is out of its range.

    >>> import torch
    >>> x, labels = torch.rand(7, 12), torch.zeros(7, 7)
    >>> batch = Batch(x, labels, labels, offsets=torch.tensor([0, 4, 7]))
    >>> prediction = MLPF(output_dim=8, bin_size=4)(batch)
    >>> [*prediction.logits.shape], [*prediction.particles(x).shape]
    ([7, 6], [7, 7])
    """

    def __init__(
        self,
        *,
        bin_size: int = 640,
        num_graph_layers_id: int = 3,
        num_graph_layers_reg: int = 3,
        output_dim: int = 256,
        distance_dim: int = 128,
        ffn_dist_hidden_dim: int = 128,
        ffn_dist_num_layers: int = 1,
        num_node_messages: int = 1,
        dist_mult: float = 0.1,
        clip_value_low: float = 0.0,
        normalize_degrees: bool = True,
        layernorm: bool = False,
        dropout: float = 0.0,
        position_gain: float = 200.0,
        decoder_width: int = 256,
        max_n_bins: int = 100,
    ) -> None:
        check_at_least(1, bin_size=bin_size)
        options = GraphOptions(
            output_dim=output_dim,
            distance_dim=distance_dim,
            ffn_dist_hidden_dim=ffn_dist_hidden_dim,
            ffn_dist_num_layers=ffn_dist_num_layers,
            num_node_messages=num_node_messages,
            dist_mult=dist_mult,
            clip_value_low=clip_value_low,
            normalize_degrees=normalize_degrees,
            layernorm=layernorm,
            dropout=dropout,
            position_gain=position_gain,
            max_n_bins=max_n_bins,
        )
        super().__init__(
            partial(GraphLayer, output_dim, options),
            num_graph_layers_id=num_graph_layers_id,
            num_graph_layers_reg=num_graph_layers_reg,
            output_dim=output_dim,
            decoder_width=decoder_width,
            dropout=dropout,
        )
        self.bin_size = bin_size

    def layout(self, offsets: Tensor, n_elements: int) -> BinLayout:
        """Return the bins of events that begin at `offsets`, shape (B + 1,)."""
        return BinLayout.from_offsets(offsets, self.bin_size, n_elements)
