"""The MLPF network: detector elements in, one particle candidate per element out.

Shapes: M elements of the batch, F encoded features, C = 6 particle classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlpf.config import check_at_least
from mlpf.data.batch import Batch
from mlpf.network.bins import BinLayout
from mlpf.network.encoding import FLOOR_GEV, N_ENCODED, Encoder, log_gev
from mlpf.network.gnn_lsh import GraphLayer, GraphOptions
from mlpf.schema import N_CLASSES, Particle

ANGLE_SCALE = 0.1  # differences of eta, sin(phi), cos(phi) are predicted in units of this
MOMENTUM_TARGETS = ("pt", "eta", "sin_phi", "cos_phi", "energy")
_N_CHARGES = 3  # -1, 0, +1


@dataclass(frozen=True)
class Prediction:
    """The output of the network for each element of a batch, in the order of the batch."""

    logits: Tensor  # shape (M, 6), unnormalized log-probabilities of the classes `schema.Particle`
    charge: Tensor  # shape (M, 3), the same of the charges -1, 0, +1
    momentum: Tensor  # shape (M, 5), differences to the element's values: `momentum_targets`

    @property
    def pid(self) -> Tensor:
        """Most probable class of each element, shape (M,) int64."""
        return self.logits.argmax(1)

    @property
    def probabilities(self) -> Tensor:
        """Probability of each class, shape (M, 6)."""
        return self.logits.softmax(1)

    def particles(self, x: Tensor, p_none_max: float | None = None) -> Tensor:
        """Return the candidates in physical units, shape (M, 7), columns `schema.Y_COLUMNS`.

        A row of class 0 is all zero. Neutral classes have charge 0, charged classes the more
        probable sign. Momenta and energies are in GeV. `x`, shape (M, 12), are the input features.
        With `p_none_max`, in (0, 1], an element is a particle if its probability of class 0 is
        lower; its class is the most probable of the others.

        Raises:
            ValueError: `p_none_max` is out of its range.
        """
        pid = self.pid if p_none_max is None else self._pid_below(p_none_max)
        values = self.momentum.to(x.dtype)
        pt = x[:, 1].clamp(min=FLOOR_GEV) * values[:, 0].exp()
        energy = x[:, 5].clamp(min=FLOOR_GEV) * values[:, 4].exp()
        eta, sin_phi, cos_phi = (x[:, 2:5] + ANGLE_SCALE * values[:, 1:4]).unbind(1)
        length = torch.hypot(sin_phi, cos_phi).clamp(min=FLOOR_GEV)
        neutral = (pid == Particle.NEUTRAL_HADRON) | (pid == Particle.PHOTON)
        sign = torch.where(self.charge[:, 2] >= self.charge[:, 0], 1.0, -1.0)
        charge = sign.to(x.dtype).masked_fill(neutral, 0.0)
        columns = (pid.to(x.dtype), charge, pt, eta, sin_phi / length, cos_phi / length, energy)
        return torch.stack(columns, 1) * (pid != Particle.NONE).unsqueeze(1)

    def _pid_below(self, p_none_max: float) -> Tensor:
        if not 0.0 < p_none_max <= 1.0:
            raise ValueError(f"p_none_max must be in (0, 1], got {p_none_max}")
        pid = self.logits[:, 1:].argmax(1) + 1
        return pid.masked_fill(self.probabilities[:, Particle.NONE] >= p_none_max, Particle.NONE)


def momentum_targets(x: Tensor, ygen: Tensor) -> Tensor:
    """Return what `Prediction.momentum` should be, shape (M, 5), of order 1.

    Columns: log(pt / pt_in), (eta - eta_in) / 0.1, the same of sin(phi) and cos(phi),
    log(E / E_in). Meaningless where the true class is 0.

    Args:
        x: shape (M, 12), columns `schema.X_COLUMNS`.
        ygen: shape (M, 7), columns `schema.Y_COLUMNS`.
    """
    log_pt = log_gev(ygen[:, 2:3]) - log_gev(x[:, 1:2])
    log_energy = log_gev(ygen[:, 6:7]) - log_gev(x[:, 5:6])
    return torch.cat([log_pt, (ygen[:, 3:6] - x[:, 2:5]) / ANGLE_SCALE, log_energy], 1)


class Heads(nn.Module):
    """Several small networks of one hidden layer each that read the same features, as one product.

    Each head: linear, ELU, layer normalization, dropout, linear. The normalization has no weights
    of its own: the linear layer after it absorbs them. The features come in parts of widths
    `n_in` that are never concatenated; `width` is the hidden width of each head.
    """

    def __init__(
        self, n_in: Sequence[int], *, n_heads: int, width: int, n_out: int, dropout: float
    ) -> None:
        super().__init__()
        self.n_in, self.n_heads, self.width = list(n_in), n_heads, width
        self.hidden = nn.Linear(sum(n_in), n_heads * width)
        self.dropout = nn.Dropout(dropout)
        bound = width**-0.5
        self.out_weight = nn.Parameter(torch.empty(n_heads, width, n_out).uniform_(-bound, bound))
        self.out_bias = nn.Parameter(torch.zeros(n_heads, 1, n_out))

    def forward(self, parts: Sequence[Tensor]) -> Tensor:
        """Return the outputs, shape (M, n_heads * n_out), for `parts`, shapes (M, n_in[i])."""
        first, *others = torch.split(self.hidden.weight, self.n_in, dim=1)
        hidden = functional.linear(parts[0], first, self.hidden.bias)
        for part, weight in zip(parts[1:], others, strict=True):
            hidden.addmm_(part.to(hidden.dtype), weight.T.to(hidden.dtype))
        hidden = functional.elu_(hidden).view(len(hidden), self.n_heads, self.width)
        hidden = self.dropout(functional.layer_norm(hidden, (self.width,)))
        out = torch.bmm(hidden.transpose(0, 1), self.out_weight) + self.out_bias
        return out.transpose(0, 1).flatten(1)


class Stack(nn.Module):
    """Graph layers, each fed by the one before, the first by a small network over the features.

    Args:
        n_layers: at least 0; with 0 the features pass as they are.
        options: of each layer.
    """

    def __init__(self, n_layers: int, options: GraphOptions) -> None:
        super().__init__()
        width = options.output_dim
        self.n_out = [N_ENCODED] + [width] * n_layers
        self.layers = nn.ModuleList(GraphLayer(width, options) for _ in range(n_layers))
        # Messages are linear in the nodes, so the nodes need e.g. energies, not their logarithms.
        self.node_encoding = nn.Sequential(
            *(nn.Linear(N_ENCODED, width), nn.ELU(), nn.Linear(width, width)) if n_layers else ()
        )

    def forward(self, encoded: Tensor, position: Tensor, layout: BinLayout) -> list[Tensor]:
        """Return the encoded features and the output of every layer, widths `n_out`."""
        outputs = [encoded]
        nodes = self.node_encoding(encoded)
        for layer in self.layers:
            nodes = layer(nodes, position, layout)
            outputs.append(nodes)
        return outputs


class MLPF(nn.Module):
    """Two stacks of GNN-LSH layers, one for the class and one for the momentum, and their heads.

    The heads read the encoded features and the output of every layer of their stack. The momentum
    heads also read the class logits, without passing gradients back.

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
        super().__init__()
        check_at_least(1, bin_size=bin_size, decoder_width=decoder_width)
        check_at_least(0, num_graph_layers_id=num_graph_layers_id)
        check_at_least(0, num_graph_layers_reg=num_graph_layers_reg)
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
        self.bin_size = bin_size
        self.encoder = Encoder()
        self.id_stack = Stack(num_graph_layers_id, options)
        self.reg_stack = Stack(num_graph_layers_reg, options)
        heads = partial(Heads, width=decoder_width, dropout=dropout)
        self.class_heads = heads(self.id_stack.n_out, n_heads=1, n_out=N_CLASSES + _N_CHARGES)
        momentum_in = [*self.reg_stack.n_out, N_CLASSES]
        self.momentum_heads = heads(momentum_in, n_heads=len(MOMENTUM_TARGETS), n_out=1)

    def forward(self, batch: Batch) -> Prediction:
        """Return the prediction for the elements of `batch`, in their order."""
        encoded, position = self.encoder(batch.x)
        layout = BinLayout.from_offsets(batch.offsets, self.bin_size, len(encoded))
        classes = self.class_heads(self.id_stack(encoded, position, layout))
        logits, charge = classes.split([N_CLASSES, _N_CHARGES], dim=1)
        parts = self.reg_stack(encoded, position, layout)
        momentum = self.momentum_heads([*parts, logits.detach()])
        return Prediction(logits, charge, momentum)
