"""The layout of an event is that of the published files."""

from mlpf import schema
from mlpf.schema import ElementType, Particle


def test_the_columns_are_those_of_the_published_arrays():
    assert (schema.N_X, schema.N_Y, schema.N_CLASSES) == (12, 7, 6)
    assert schema.X_COLUMNS[:3] == ("type", "pt", "eta")
    assert schema.Y_COLUMNS == ("pid", "charge", "pt", "eta", "sin_phi", "cos_phi", "energy")
    assert schema.X_COLUMNS[9] == "charge"


def test_the_codes_are_the_published_ones():
    assert [*ElementType] == [1, 2]
    assert ElementType.TRACK == 2
    names = ["NONE", "CHARGED_HADRON", "NEUTRAL_HADRON", "PHOTON", "ELECTRON", "MUON"]
    assert [particle.name for particle in Particle] == names
    assert [*Particle] == [0, 1, 2, 3, 4, 5]
