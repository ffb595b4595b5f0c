"""Momenta of the particles of a gun, and what cannot be shot."""

import numpy as np
import pytest

from mlpf.generation.gun import Gun

MASSES = {211: 0.13957, -13: 0.10566, 22: 0.0}


def shots(n=10_000, **options):
    gun = Gun(**{"pid": [211, -13, 22], "number": n, **options})
    return gun.shoot(MASSES, np.random.default_rng(1))


def test_momenta_are_in_their_ranges_and_on_the_mass_shell():
    pid, px, py, pz, energy = shots(pt=[2, 50], eta=[-1, 3])
    pt = np.hypot(px, py)
    eta = np.arcsinh(pz / pt)
    np.testing.assert_allclose([pt.min(), pt.max()], [2, 50], rtol=0.01)
    np.testing.assert_allclose([eta.min(), eta.max()], [-1, 3], atol=0.01)
    np.testing.assert_allclose(eta.mean(), 1.0, atol=0.03)
    mass = np.array([MASSES[code] for code in pid.tolist()])
    np.testing.assert_allclose(energy**2, pt**2 + pz**2 + mass**2, rtol=1e-12)
    np.testing.assert_allclose(np.unique(pid, return_counts=True)[1] / len(pid), 1 / 3, atol=0.02)
    assert abs(np.mean(px)) < 0.02 * np.mean(pt)


@pytest.mark.parametrize(("log", "median"), [(True, 10.0), (False, 50.5)])
def test_the_spectrum_is_flat_in_the_value_or_its_logarithm(log, median):
    _, px, py, _, _ = shots(pt=[1, 100], log=log)
    np.testing.assert_allclose(np.median(np.hypot(px, py)), median, rtol=0.03)


def test_an_energy_is_what_it_says():
    pid, _, _, _, energy = shots(energy=[5, 5], pt=None)
    np.testing.assert_allclose(energy, 5.0)
    assert set(pid) == set(MASSES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pid": []}, r"gun\.pid must be a list of PDG codes, got \[\]"),
        ({"pid": ["pi"]}, r"gun\.pid must be a list"),
        ({"number": 0}, r"gun\.number must be 1 to 10000, got 0"),
        ({"log": 1}, r"gun\.log must be true or false"),
        ({"energy": [1, 2]}, r"gun\.pt or gun\.energy must be given, the other one null"),
        ({"pt": None}, r"gun\.pt or gun\.energy must be given"),
        ({"pt": [0, 5]}, r"gun\.pt must be \[lowest, highest\] from 0 to 7000, got \[0, 5\]"),
        ({"pt": [5, 1]}, r"gun\.pt must be"),
        ({"pt": [1, 8000]}, r"gun\.pt must be"),
        ({"pt": [1, float("nan")]}, r"gun\.pt must be"),
        ({"eta": [1]}, r"gun\.eta must be \[lowest, highest\] from -10 to 10, got \[1\]"),
    ],
)
def test_what_cannot_be_shot_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        Gun(**{"pid": [211], "pt": [1, 10], **change})
