"""What the outputs of the network mean: classes, charges, and momenta on the mass shell.

Shapes: M elements of the batch, C = 6 particle classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from mlpf.config import check_share
from mlpf.network.resolution import FLOOR_GEV, is_tower, track_resolution
from mlpf.schema import Particle

N_CHARGES: Final = 3  # -1, 0, +1
MOMENTUM_OUTPUTS: Final = ("pt", "eta", "sin_phi", "cos_phi")
ANGLE_SCALE: Final = 0.1  # differences of eta, sin(phi), cos(phi) are predicted in units of this

# Of a candidate, in GeV, by class: nothing, pi+-, K0L, photon, electron, muon.
MASSES_GEV: Final = (0.0, 0.13957, 0.49761, 0.0, 0.000511, 0.10566)
# Change of the pt of a tower for one unit of the head. Wider than the resolution, because much of
# a tower may belong to tracks; photons leave most ECAL towers as they are.
_ECAL_UNIT, _HCAL_UNIT = 0.2, 1.0
_N_ROUNDINGS: Final = 4  # E >= p holds also where p = pt cosh(eta) is computed in float32


@dataclass(frozen=True)
class Prediction:
    """The output of the network for each element of a batch, in the order of the batch."""

    logits: Tensor  # shape (M, 6), unnormalized log-probabilities of the classes `schema.Particle`
    charge: Tensor  # shape (M, 3), the same of the charges -1, 0, +1; used for towers only
    momentum: Tensor  # shape (M, 4), changes of pt and of the direction: `pt_ratio`, `particles`

    @property
    def pid(self) -> Tensor:
        """Most probable class of each element, shape (M,) int64."""
        return self.logits.argmax(1)

    @property
    def probabilities(self) -> Tensor:
        """Probabilities of the classes, shape (M, 6)."""
        return self.logits.softmax(1)

    def classes(self, p_none_max: float | None = None) -> Tensor:
        """Return the class of each element, shape (M,) int64.

        Args:
            p_none_max: None for the most probable class. A number in (0, 1]: an element is a
                particle if its probability of class 0 is lower, of the most probable other class.

        Raises:
            ValueError: `p_none_max` is out of its range.
        """
        if p_none_max is None:
            return self.pid
        check_share("p_none_max", p_none_max)
        found = self.logits[:, 1:].argmax(1) + 1
        none = self.probabilities[:, Particle.NONE] >= p_none_max
        return found.masked_fill(none, Particle.NONE)

    def particles(self, x: Tensor, p_none_max: float | None = None) -> Tensor:
        """Return the candidates in physical units, shape (M, 7), columns `schema.Y_COLUMNS`.

        A row of class 0 is all zero. Every other is on the mass shell of its class, E = hypot(p,
        m), rounded up: E >= p. A track keeps its direction and its charge. Neutral classes have
        charge 0, a tower of a charged class has the more probable sign. Momenta and energies are
        in GeV.

        Args:
            x: shape (M, 12), the input features, columns `schema.X_COLUMNS`.
            p_none_max: as of `classes`.

        Raises:
            ValueError: `p_none_max` is out of its range.
        """
        pid = self.classes(p_none_max)
        values = self.momentum.to(x.dtype)
        pt = x[:, 1].clamp(min=FLOOR_GEV) * pt_ratio(values[:, 0], x).clamp(min=FLOOR_GEV)
        direction = x[:, 2:5] + ANGLE_SCALE * values[:, 1:] * is_tower(x).unsqueeze(1)
        eta, sin_phi, cos_phi = direction.unbind(1)
        length = torch.hypot(sin_phi, cos_phi).clamp(min=FLOOR_GEV)
        energy = _energy(pt, eta, x.new_tensor(MASSES_GEV)[pid])
        columns = (pid.to(x.dtype), self._charge(pid, x), pt, eta, sin_phi / length)
        rows = torch.stack([*columns, cos_phi / length, energy], 1)
        return rows.where(pid.ne(Particle.NONE).unsqueeze(1), 0.0)

    def _charge(self, pid: Tensor, x: Tensor) -> Tensor:
        neutral = pid.eq(Particle.NEUTRAL_HADRON) | pid.eq(Particle.PHOTON)
        of_tower = torch.where(self.charge[:, 2] >= self.charge[:, 0], 1.0, -1.0).to(x.dtype)
        return torch.where(is_tower(x) | (x[:, 9] == 0), of_tower, x[:, 9].sign()).masked_fill(
            neutral, 0
        )


def _energy(pt: Tensor, eta: Tensor, mass: Tensor) -> Tensor:
    """E of particles on their mass shell, shape (M,), rounded up; without double precision."""
    momentum = pt * (eta.exp() + eta.neg().exp()) / 2
    energy = (momentum.square() + mass.square()).sqrt()
    return energy * (1 + _N_ROUNDINGS * torch.finfo(pt.dtype).eps)


def pt_unit(x: Tensor) -> Tensor:
    """Return s, the change of pt / pt_in for one unit of the head, shape (M,), positive.

    Args:
        x: shape (M, 12), columns `schema.X_COLUMNS`.
    """
    of_tower = torch.where(x[:, 6] > 0, _ECAL_UNIT, _HCAL_UNIT).to(x.dtype)
    return torch.where(is_tower(x), of_tower, track_resolution(x))


def pt_ratio(output: Tensor, x: Tensor) -> Tensor:
    """Return pt / pt_in = 1 + elu(s o), shape (M,), in [0, inf).

    At o = 0 it is 1 with slope s; the exponential side of ELU keeps it from becoming negative.

    Args:
        output: o, shape (M,), the first output of the momentum heads.
        x: shape (M, 12), columns `schema.X_COLUMNS`.
    """
    return 1 + functional.elu(pt_unit(x) * output)


def pt_output(ratio: Tensor, x: Tensor) -> Tensor:
    """Return the output that `pt_ratio` makes `ratio` of, shape (M,).

    Args:
        ratio: pt / pt_in, shape (M,), positive.
        x: shape (M, 12), columns `schema.X_COLUMNS`.
    """
    return torch.where(ratio < 1, ratio.log(), ratio - 1) / pt_unit(x)
