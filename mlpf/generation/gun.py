"""Particle guns: single particles of chosen kind and momentum instead of a collision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlpf.detector import Floats, Ints

_MAX_GEV: Final = 7000.0  # energy of a beam
_MAX_ETA: Final = 10.0
_MAX_NUMBER: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Gun:
    """Particles that fly from the origin, each on its own; unstable ones decay.

    Args:
        pid: PDG codes; each particle is one of them, at random.
        number: particles per event, 1 to 10000.
        eta: lowest and highest pseudorapidity, -10 to 10; uniform.
        pt: lowest and highest transverse momentum in GeV, above 0 to 7000; None if `energy` is
            given.
        energy: lowest and highest energy in GeV instead.
        log: uniform in the logarithm of `pt` or `energy`; false for uniform in the value.

    Raises:
        ValueError: an argument is missing or out of range.
    """

    pid: Sequence[int]
    number: int = 1
    eta: Sequence[float] = (-2.5, 2.5)
    pt: Sequence[float] | None = None
    energy: Sequence[float] | None = None
    log: bool = True

    def __post_init__(self) -> None:
        codes = [self.pid] if isinstance(self.pid, int) else list(self.pid)
        if not codes or not all(type(code) is int and code for code in codes):
            raise ValueError(f"gun.pid must be a list of PDG codes, got {self.pid}")
        object.__setattr__(self, "pid", codes)
        if type(self.number) is not int or not 1 <= self.number <= _MAX_NUMBER:
            raise ValueError(f"gun.number must be 1 to {_MAX_NUMBER}, got {self.number}")
        if type(self.log) is not bool:
            raise ValueError(f"gun.log must be true or false, got {self.log}")
        if (self.pt is None) == (self.energy is None):
            raise ValueError("gun.pt or gun.energy must be given, the other one null")
        self._check_range("eta", -_MAX_ETA, _MAX_ETA)
        self._check_range("pt" if self.energy is None else "energy", 0.0, _MAX_GEV)

    def _check_range(self, name: str, low: float, high: float) -> None:
        limits = [limit for limit in getattr(self, name) if type(limit) in (int, float)]
        if not (len(limits) == len(getattr(self, name)) == 2 and low <= limits[0] <= limits[1]):
            limits = []
        if not limits or limits[1] > high or (name != "eta" and limits[0] <= 0):
            kind = f"[lowest, highest] from {low:g} to {high:g}"
            raise ValueError(f"gun.{name} must be {kind}, got {getattr(self, name)}")
        object.__setattr__(self, name, limits)

    def shoot(
        self, masses: dict[int, float], rng: np.random.Generator
    ) -> tuple[Ints, Floats, Floats, Floats, Floats]:
        """Return PDG codes, px, py, pz and energies of the particles of an event, shapes (n,).

        `masses` has the mass in GeV of each code.
        """
        n = self.number
        pid = np.asarray(self.pid, dtype=np.int64)[rng.integers(len(self.pid), size=n)]
        mass = np.array([masses[code] for code in pid.tolist()])
        low, high = self.pt or self.energy or ()
        draw = rng.random(n)
        size = low * (high / low) ** draw if self.log else low + (high - low) * draw
        eta, phi = rng.uniform(self.eta[0], self.eta[1], n), rng.uniform(-np.pi, np.pi, n)
        if self.pt is None:
            size = np.sqrt(np.maximum(size**2 - mass**2, 0.0)) / np.cosh(eta)
        energy = np.hypot(size * np.cosh(eta), mass)
        return pid, size * np.cos(phi), size * np.sin(phi), size * np.sinh(eta), energy
