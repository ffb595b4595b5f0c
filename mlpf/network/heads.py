"""The output heads of a network: small networks that read the same features, as one product."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class Heads(nn.Module):
    """Several small networks of one hidden layer each.

    Each head: linear, ELU, layer normalization, dropout, linear. The normalization has no weights
    of its own: the linear layer after it absorbs them. The features come in parts that are only
    concatenated where no gradient is wanted. Shapes: M elements.

    Args:
        n_in: widths of the parts.
        n_heads: number of heads.
        width: hidden width of each head.
        n_out: outputs of each head.
        dropout: in [0, 1).
        zero: start with outputs of 0, whatever the features.
    """

    def __init__(
        self,
        n_in: Sequence[int],
        *,
        n_heads: int,
        width: int,
        n_out: int,
        dropout: float,
        zero: bool = False,
    ) -> None:
        super().__init__()
        self.n_in, self.n_heads, self.width = list(n_in), n_heads, width
        self.hidden = nn.Linear(sum(n_in), n_heads * width)
        self.dropout = nn.Dropout(dropout)
        bound = 0.0 if zero else width**-0.5
        self.out_weight = nn.Parameter(torch.empty(n_heads, width, n_out).uniform_(-bound, bound))
        self.out_bias = nn.Parameter(torch.zeros(n_heads, 1, n_out))

    def forward(self, parts: Sequence[Tensor]) -> Tensor:
        """Return the outputs, shape (M, n_heads * n_out), for `parts`, shapes (M, n_in[i])."""
        hidden = self._hidden(parts)
        hidden = functional.elu_(hidden).view(hidden.shape[0], self.n_heads, self.width)
        hidden = self.dropout(functional.layer_norm(hidden, (self.width,)))
        out = torch.bmm(hidden.transpose(0, 1), self.out_weight) + self.out_bias
        return torch.cat(out.unbind(), 1)

    def _hidden(self, parts: Sequence[Tensor]) -> Tensor:
        if not torch.is_grad_enabled():
            joined = torch.cat([part.to(parts[0].dtype) for part in parts], 1)
            return functional.linear(joined, self.hidden.weight, self.hidden.bias)
        # Without the concatenation, whose backward pass would copy all parts once more.
        first, *others = torch.split(self.hidden.weight, self.n_in, dim=1)
        hidden = functional.linear(parts[0], first, self.hidden.bias)
        for part, weight in zip(parts[1:], others, strict=True):
            hidden.addmm_(part.to(hidden.dtype), weight.T.to(hidden.dtype))
        return hidden
