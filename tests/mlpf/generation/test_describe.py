"""The generator information of an event."""

import numpy as np

from mlpf.generation.describe import describe
from mlpf.generation.pileup import Crossing
from mlpf.generation.simulation import RECORD, Particles


def described(*rows):
    """Of particles (pid, px, py, pz, x), with two pile-up collisions and the vertex at 40 mm."""
    hard = np.zeros(len(rows), dtype=RECORD)
    for record, (pid, px, py, pz, x) in zip(hard, rows, strict=True):
        record["pid"], record["px"], record["py"], record["pz"], record["x"] = pid, px, py, pz, x
        record["energy"] = np.sqrt(px**2 + py**2 + pz**2)
    nothing = Particles.from_records(hard[:0])
    crossing = Crossing(nothing, np.zeros(0, np.int64), np.array([40.0, -3.0, 8.0]))
    return describe(hard, crossing, np.array([0.5], np.float32))


def test_missing_momentum_is_that_of_the_invisible_particles():
    known = described((12, 3, 4, 0, 0), (1000022, 0, -10, 5, 0), (211, -3, 6, 0, 0))
    np.testing.assert_allclose([known.met_px, known.met_py], [[3], [-6]])
    seen = known.visible
    for axis, met in ((np.cos, known.met_px), (np.sin, known.met_py)):
        np.testing.assert_allclose(-(known.pt * axis(known.phi))[seen].sum(), met, rtol=1e-6)


def test_all_particles_are_kept_where_they_were_produced():
    known = described((2212, 0, 0, 6500, 0), (22, 0, -2, 2, 0.0123456), (22, 1, 0, 0, 1e-9))
    np.testing.assert_allclose(known.eta, [20, np.arcsinh(1), 0], rtol=1e-6)
    np.testing.assert_allclose(known.phi[1:], [-np.pi / 2, 0])
    np.testing.assert_array_equal(known.x, np.array([0, 0.012, 0], np.float32))
    np.testing.assert_array_equal(known.z, 40)
    assert known.n_pileup.tolist() == [2]
    assert known.offsets.tolist() == [0, 3]
    assert not known.vertex.any()
