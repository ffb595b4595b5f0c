"""Columns, classes and units of an event, shared by every reader and writer.

An event is a list of detector elements (tracks first, then calorimeter towers). Each element has
12 input features `x`, 7 true values `ygen` and the 7 values `ycand` of the rule-based
particle-flow algorithm; row i of the three belongs to the same element. The layout is that of the
published Delphes data set (Zenodo 4559324). Real data have no `ygen`. Simulated events may also
hold generator information: the particles of the hard process and the pile-up. Momenta and
energies are in GeV, angles in radians.
"""

from enum import IntEnum
from typing import Final


class ElementType(IntEnum):
    """Kind of detector element, column 0 of `x`."""

    TOWER = 1
    TRACK = 2


class Particle(IntEnum):
    """Particle class, column 0 of `ygen` and `ycand`.

    >>> Particle(3).name
    'PHOTON'
    """

    NONE = 0
    CHARGED_HADRON = 1
    NEUTRAL_HADRON = 2
    PHOTON = 3
    ELECTRON = 4
    MUON = 5


N_CLASSES: Final = len(Particle)
# What particles without a track can make of a tower; with equal energies the first wins.
TOWER_CLASSES: Final = (
    Particle.NEUTRAL_HADRON,
    Particle.CHARGED_HADRON,
    Particle.PHOTON,
    Particle.ELECTRON,
)
NEUTRAL_HADRON_MIN_GEV: Final = 9.0  # softer neutral hadrons of a tower, in all, are nothing
SPLITS: Final = ("train", "val", "test")

# Tower rows use the second name where there are two: E_T, E, E_em, E_had, then zeros.
X_COLUMNS: Final = (
    "type",
    "pt",  # track: pt | tower: E_T
    "eta",
    "sin_phi",
    "cos_phi",
    "energy",  # track: momentum p = pt cosh(eta) | tower: E
    "eta_outer_or_e_em",  # track: eta at the calorimeter face | tower: ECAL energy
    "sin_phi_outer_or_e_had",  # track: sin(phi) at the face | tower: HCAL energy
    "cos_phi_outer",
    "charge",
    "is_gen_muon",
    "is_gen_electron",
)
Y_COLUMNS: Final = ("pid", "charge", "pt", "eta", "sin_phi", "cos_phi", "energy")
N_X: Final = len(X_COLUMNS)
N_Y: Final = len(Y_COLUMNS)

# Generator information: of each particle of the hard process, and of each event.
PARTICLE_COLUMNS: Final = (
    "pid",  # PDG code
    "charge",
    "pt",
    "eta",
    "phi",
    "energy",
    "x",  # production point in mm
    "y",
    "z",
    "vertex",  # number of the collision, 0 is the hard process
)
EVENT_COLUMNS: Final = ("met_px", "met_py", "n_pileup")
