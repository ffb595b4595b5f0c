"""A candidate is a particle: on the mass shell of its class, whatever the heads say."""

import math

import numpy as np
import pytest
import torch

from mlpf.network.decoding import MASSES_GEV, Prediction, pt_output, pt_ratio, pt_unit
from mlpf.schema import Particle


def elements(n=600, seed=3):
    """Towers and tracks in turn, of 1 to 31 GeV."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.zeros(n, 12)
    x[:, 0] = 1 + (torch.arange(n) % 2)
    x[:, 1] = 1 + 30 * torch.rand(n, generator=draw)
    x[:, 2] = 5 * torch.rand(n, generator=draw) - 2.5
    phi = 2 * math.pi * torch.rand(n, generator=draw)
    x[:, 3], x[:, 4] = phi.sin(), phi.cos()
    x[:, 5] = x[:, 1] * x[:, 2].cosh()
    x[0::4, 6], x[2::4, 7] = x[0::4, 5], x[2::4, 5]
    x[1::2, 6:9] = x[1::2, 2:5]
    x[1::2, 9] = torch.where(torch.arange(n // 2) % 3 == 0, 1.0, -1.0)
    return x


def prediction(x, spread, seed=4):
    """All classes in turn; the heads of the momentum miss by `spread`."""
    draw = torch.Generator().manual_seed(seed)
    n = len(x)
    logits = 5 * torch.eye(6)[1 + torch.arange(n) % 5]
    charge = torch.randn(n, 3, generator=draw)
    return Prediction(logits, charge, spread * torch.randn(n, 4, generator=draw))


def candidates(spread):
    x = elements()
    return prediction(x, spread).particles(x).double().numpy()


@pytest.mark.parametrize("spread", [0.0, 0.1, 5.0])
def test_no_candidate_is_a_tachyon(spread):
    y = candidates(spread)
    assert np.all(y[:, 6] >= y[:, 2] * np.cosh(y[:, 3]))
    single = y.astype(np.float32)
    assert np.all(single[:, 6] >= single[:, 2] * np.cosh(single[:, 3]))


def test_a_candidate_has_the_mass_of_its_class():
    y = candidates(0.1)
    p = y[:, 2] * np.cosh(y[:, 3])
    mass = np.sqrt(y[:, 6] ** 2 - p**2)
    expected = np.array(MASSES_GEV)[y[:, 0].astype(int)]
    # float32 resolves masses of about p / 700.
    assert np.all(np.abs(mass - expected) < 1.5e-3 * p + 1e-6)
    slow = p < 3
    assert np.all(np.abs(mass - expected)[slow & (y[:, 0] == 2)] < 1e-3)


def test_the_rapidity_follows_the_direction():
    """Jets are clustered in rapidity: it must be that of the direction, within the mass."""
    y = candidates(0.1)
    y = y[y[:, 2] > 5]
    shift = np.abs(np.arctanh(y[:, 2] * np.sinh(y[:, 3]) / y[:, 6]) - y[:, 3])
    assert np.percentile(shift, 90) < 0.01


def test_a_track_keeps_its_direction_and_its_charge():
    x = elements()
    y, tracks = prediction(x, 3.0).particles(x), x[:, 0] == 2
    torch.testing.assert_close(y[tracks, 3:6], x[tracks, 2:5])
    charged = (y[:, 0] != Particle.NEUTRAL_HADRON) & (y[:, 0] != Particle.PHOTON)
    assert torch.equal(y[tracks & charged, 1], x[tracks & charged, 9])
    assert y[~charged, 1].eq(0).all()


def test_a_tower_has_the_predicted_direction_and_sign():
    x = elements(8)[:1]
    outputs = torch.tensor([[0.0, 2.0, -1.0, 0.5]])
    found = Prediction(torch.eye(6)[1:2], torch.tensor([[1.0, 9.0, 0.0]]), outputs).particles(x)[0]
    assert found[1] == -1
    sin, cos = x[0, 3] - 0.1, x[0, 4] + 0.05
    expected = [x[0, 2] + 0.2, sin / torch.hypot(sin, cos), cos / torch.hypot(sin, cos)]
    torch.testing.assert_close(found[3:6], torch.stack(expected))


def test_pt_is_the_elements_own_at_zero_and_never_negative():
    x = elements()
    zero = torch.zeros(len(x))
    assert torch.equal(pt_ratio(zero, x), torch.ones(len(x)))
    slope = (pt_ratio(zero + 1e-3, x) - 1) / 1e-3
    torch.testing.assert_close(slope, pt_unit(x), rtol=1e-2, atol=1e-3)
    assert pt_ratio(zero - 1e3, x).ge(0).all()
    found = Prediction(
        torch.eye(6)[[3] * len(x)], torch.zeros(len(x), 3), zero[:, None].expand(-1, 4) - 1e3
    )
    assert found.particles(x)[:, 2].gt(0).all()


def test_the_output_of_a_ratio_gives_this_ratio():
    x = elements(40)
    ratio = torch.linspace(0.1, 2, 40)
    torch.testing.assert_close(pt_ratio(pt_output(ratio, x), x), ratio)


def test_units_are_those_of_the_detector():
    x = elements(8)
    x[1:4:2, 2] = torch.tensor([0.2, -2.0])
    assert pt_unit(x)[0] == pytest.approx(0.2)  # ECAL
    assert pt_unit(x)[2] == pytest.approx(1.0)  # HCAL
    assert pt_unit(x)[1] == pytest.approx(math.hypot(0.06, 1.3e-3 * x[1, 1]))
    assert pt_unit(x)[3] == pytest.approx(math.hypot(0.25, 3.1e-3 * x[3, 1]))


def test_class_0_is_all_zero_whatever_the_heads_say():
    x = elements(8)
    heads = torch.full((8, 4), torch.inf)
    found = Prediction(torch.eye(6)[[0] * 8], torch.zeros(8, 3), heads).particles(x)
    assert found.eq(0).all()


def test_a_threshold_keeps_what_may_be_a_particle():
    logits = torch.tensor([[0.65, 0.05, 0.3, 0, 0, 0], [0.75, 0.25, 0, 0, 0, 0]]).log()
    found = Prediction(logits, torch.zeros(2, 3), torch.zeros(2, 4))
    assert found.classes().tolist() == [0, 0]
    assert found.classes(0.7).tolist() == [2, 0]
    assert found.classes(1.0).tolist() == [2, 1]
    assert found.particles(elements(2), 0.7)[:, 0].tolist() == [2, 0]
    torch.testing.assert_close(found.probabilities.sum(1), torch.ones(2))


@pytest.mark.parametrize("p_none_max", [0.0, -0.1, 1.01, float("nan")])
def test_an_impossible_threshold_is_refused(p_none_max):
    with pytest.raises(ValueError, match=r"p_none_max must be in \(0, 1\], got"):
        prediction(elements(), 0.0).classes(p_none_max)


def test_double_precision_stays_double():
    x = elements(8).double()
    found = prediction(x, 0.1).particles(x)
    assert found.dtype == torch.float64
