"""Rows of a file: codes of the PDG with their signs, masses, and the elements they come from."""

import numpy as np

from mlpf.reconstruction.particles import ParticleRows

LABELS = np.array(
    [
        [1, -1, 2.0, 0.5, 1.0, 0.0, 2.26],  # phi = pi / 2
        [0, 0, 0, 0, 0, 0, 0],
        [4, -1, 4.0, -1.5, 0.0, -1.0, 9.5],
        [5, 1, 1.0, 2.0, -0.6, 0.8, 4.0],
        [2, 0, 3.0, 0.0, 0.0, 1.0, 3.1],
        [3, 0, 3.0, 0.0, 0.0, 1.0, 3.0],
        [1, 1, 3.0, 0.0, 0.0, 1.0, 3.0],
        [4, 1, 3.0, 0.0, 0.0, 1.0, 3.0],
        [5, -1, 3.0, 0.0, 0.0, 1.0, 3.0],
    ],
    np.float32,
)


def test_codes_signs_and_masses_are_those_of_the_pdg():
    rows = ParticleRows.of(np.ones((9, 6), np.float32), LABELS, np.array([0, 9]))
    columns = rows.columns
    assert columns["pdg_id"].tolist() == [-211, 11, -13, 130, 22, 211, -11, 13]
    assert columns["charge"].tolist() == [-1, -1, 1, 0, 0, 1, 1, -1]
    np.testing.assert_allclose(
        columns["mass"], [0.1396, 0.0005, 0.1057, 0.4976, 0, 0.1396, 0.0005, 0.1057], atol=1e-4
    )
    np.testing.assert_allclose(columns["phi"][:2], [np.pi / 2, np.pi])
    assert columns["energy"][1] == np.float32(9.5)
    assert {values.dtype.name for values in columns.values()} == {"int32", "float32"}


def test_a_particle_knows_its_element_and_the_probability_of_its_class():
    probabilities = np.arange(54, dtype=np.float32).reshape(9, 6)
    rows = ParticleRows.of(probabilities, LABELS, np.array([0, 2, 2, 6, 9]))
    assert rows.offsets.tolist() == [0, 1, 1, 5, 8]
    assert rows.columns["element"].tolist() == [0, 0, 1, 2, 3, 0, 1, 2]
    assert rows.columns["probability"].tolist() == [1, 16, 23, 26, 33, 37, 46, 53]


def test_no_event_has_no_particle():
    nothing = np.zeros((0, 7), np.float32)
    rows = ParticleRows.of(np.zeros((0, 6), np.float32), nothing, np.array([0, 0]))
    assert rows.offsets.tolist() == [0, 0]
    assert rows.columns["pt"].shape == (0,)
