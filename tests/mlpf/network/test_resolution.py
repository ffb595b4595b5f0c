import numpy as np
import pytest
import torch

from mlpf import detector
from mlpf.network.resolution import (
    ecal_sigma,
    hcal_sigma,
    is_ecal,
    is_tower,
    is_track,
    track_resolution,
)

ETA = np.array([0.0, -0.5, 0.51, -1.5, 1.6, 2.4, -2.6, 2.9, 3.1, -4.5])


@pytest.mark.parametrize("energy", [0.5, 7.0, 300.0])
def test_calorimeters_resolve_as_the_simulation_does(energy):
    values = np.full_like(ETA, energy)
    for ours, theirs in ((ecal_sigma, detector.ecal_sigma), (hcal_sigma, detector.hcal_sigma)):
        found = ours(torch.tensor(ETA), torch.tensor(values))
        np.testing.assert_allclose(found, theirs(ETA, values), rtol=1e-12)


@pytest.mark.parametrize(
    ("flags", "model"),
    [
        ([0, 0], detector.CHARGED_HADRON),
        ([1, 0], detector.MUON),
        ([0, 1], detector.ELECTRON),
    ],
)
def test_tracks_resolve_as_the_simulation_does(flags, model):
    eta, pt = ETA[:6], np.geomspace(0.2, 200, 6)
    x = torch.zeros(6, 12, dtype=torch.float64)
    x[:, 0], x[:, 1], x[:, 2] = 2, torch.tensor(pt), torch.tensor(eta)
    x[:, 10:] = torch.tensor(flags)
    np.testing.assert_allclose(track_resolution(x), model.resolution_at(pt, eta), rtol=1e-12)


def test_kinds_of_elements_are_told_apart():
    x = torch.zeros(5, 12)
    x[:, 0] = torch.tensor([1, 1, 2, 2, 0])
    x[0, 6], x[1, 7], x[2, 6], x[3, 11] = 3.0, 3.0, 3.0, 1.0  # of a track, 6 is eta
    assert is_tower(x).tolist() == [True, True, False, False, False]
    assert is_track(x).tolist() == [False, False, True, True, False]
    assert is_ecal(x).tolist() == [True, False, False, True, False]
