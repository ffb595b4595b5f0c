import numpy as np
import pytest

from benchmarks.reproduce.boosted_towers import (
    N_NEAREST,
    RADII,
    tower_classes,
    tower_features,
    train_trees,
)
from benchmarks.reproduce.towers import _difference, _figures, main
from mlpf.data.events import from_arrays
from mlpf.schema import Particle


def element(kind, eta, phi, energy, pid=0):
    """A tower with all energy in the HCAL, or a track, at (eta, phi) of the calorimeter face."""
    sin, cos = np.sin(phi), np.cos(phi)
    last = [0, energy, 0] if kind == 1 else [eta, sin, cos]
    x = [kind, energy / np.cosh(eta), eta, sin, cos, energy, *last, 0, 0, 0]
    return x, [pid, 0, 1, eta, sin, cos, energy]


def events(*elements):
    x, y = (np.array(part, dtype=float) for part in zip(*elements, strict=True))
    return from_arrays([x], [y], [y])


def test_a_tower_sees_the_tracks_near_it_also_across_the_seam_in_phi():
    sample = events(
        element(2, 0.5, np.pi - 0.01, 7.0), element(2, 0.5, 0.0, 9.0), element(1, 0.5, -np.pi, 5.0)
    )
    (row,) = tower_features(sample)
    assert row[4] == pytest.approx(0.01, abs=1e-5)
    assert row[4 + N_NEAREST] == pytest.approx(7.0)
    assert row[4 + N_NEAREST + 1] == 0.0  # the other track is farther than 1
    sums_of_tracks = row[4 + 2 * N_NEAREST :: 3]
    np.testing.assert_allclose(sums_of_tracks, [7.0] * len(RADII), rtol=1e-6)


def test_an_event_without_tracks_has_features_too():
    features = tower_features(events(element(1, 0.0, 0.0, 5.0), element(1, 3.0, 1.0, 6.0)))
    assert features.shape == (2, 4 + 2 * N_NEAREST + 3 * len(RADII))
    assert np.isfinite(features).all()


def test_trees_learn_a_cut_on_the_energy():
    rng = np.random.default_rng(0)
    energies = rng.uniform(1, 20, 600)
    sample = events(*(element(1, 0.1, 0.2, e, pid=2 if e > 9 else 0) for e in energies))
    given = train_trees(sample, seed=0).predict(tower_features(sample))
    assert (given == tower_classes(sample)).mean() > 0.97


def test_figures_of_a_classification():
    true, given = np.array([0, 2, 2, 3]), np.array([2, 2, 2, 3])
    figures = _figures(true, given)
    assert figures["accuracy"] == 0.75
    assert figures["standard_error"] == pytest.approx(np.sqrt(0.75 * 0.25 / 4))
    assert figures["efficiency_none"] == 0.0
    assert figures["fake_rate_neutral_hadron"] == pytest.approx(1 / 3)
    assert f"fake_rate_{Particle.NONE.name.lower()}" not in figures


def test_the_paired_difference_ignores_what_both_get_right():
    true = np.zeros(100, dtype=int)
    ours, theirs = true.copy(), true.copy()
    theirs[:4] = 1
    assert _difference(true, ours, theirs)["mean"] == pytest.approx(0.04)
    assert _difference(true, ours, ours) == {"mean": 0.0, "standard_error": 0.0}


def test_a_folder_without_the_file_is_named(tmp_path, capsys):
    assert main([f"delphes={tmp_path}"]) == 2
    assert f"delphes={tmp_path}: no tev14" in capsys.readouterr().err
