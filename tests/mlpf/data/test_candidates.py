"""Candidates as a physicist gets them: flat arrays, per event."""

import numpy as np

from mlpf import Candidates, Particle


def test_labels_become_particles_in_physical_units():
    labels = np.array(
        [
            [1, -1, 2.0, 0.5, 1.0, 0.0, 3.0],  # phi = pi / 2
            [0, 0, 0, 0, 0, 0, 0],
            [5, 1, 4.0, -1.5, 0.0, -1.0, 9.5],  # phi = pi
            [3, 0, 1.0, 2.0, -0.6, 0.8, 4.0],
        ]
    )
    found = Candidates.from_labels(labels, np.array([0, 2, 2, 4]))
    assert len(found) == 3
    assert found.offsets.tolist() == [0, 1, 1, 3]
    assert found.pid.tolist() == [Particle.CHARGED_HADRON, Particle.MUON, Particle.PHOTON]
    assert found.charge.tolist() == [-1, 1, 0]
    assert found.pt.tolist() == [2.0, 4.0, 1.0]
    assert found.eta.tolist() == [0.5, -1.5, 2.0]
    assert found.energy.tolist() == [3.0, 9.5, 4.0]
    np.testing.assert_allclose(found.phi, [np.pi / 2, np.pi, -np.arctan2(0.6, 0.8)], rtol=1e-6)
