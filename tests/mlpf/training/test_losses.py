import math

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from mlpf.config import config_dir
from mlpf.data.batch import Batch
from mlpf.network.decoding import Prediction, pt_ratio, pt_unit
from mlpf.training.losses import ParticleFlowLoss

PARTS = ["cls", "charge", "pt", "eta", "sin_phi", "cos_phi"]


def batch_of(pids, seed=0):
    generator = torch.Generator().manual_seed(seed)
    n = len(pids)
    x = torch.rand(n, 12, generator=generator).double() + 0.5
    x[:, 0] = torch.arange(n) % 2 + 1  # a tower, a track, a tower, ...
    pid = torch.tensor(pids, dtype=torch.float64)
    y = torch.rand(n, 7, generator=generator).double() + 0.5
    y[:, 0], y[:, 1] = pid, torch.where(pid == 1, -1.0, 0.0)
    y = y * (pid > 0).unsqueeze(1)
    return Batch(x, y, y.clone(), torch.tensor([0, n]))


def prediction_of(n, seed=1):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(n, 13, generator=generator).double().requires_grad_()
    return Prediction(*values.split([6, 3, 4], dim=1))


def rows(batch, prediction, chosen):
    part = Batch(*(t[chosen] for t in (batch.x, batch.ygen, batch.ycand)), torch.tensor([0]))
    return part, Prediction(
        *(t[chosen] for t in (prediction.logits, prediction.charge, prediction.momentum))
    )


def huber(residual):
    residual = residual.abs()
    return torch.where(residual < 1, residual**2 / 2, residual - 0.5)


def test_the_parts_are_the_sums_of_the_formulas_over_the_number_of_elements():
    batch, prediction = batch_of([0, 1, 2, 3]), prediction_of(4)
    losses = ParticleFlowLoss()(prediction, batch)
    x, y, pid = batch.x, batch.ygen, [0, 1, 2, 3]
    pt, log_p = x[:, 1], prediction.logits.log_softmax(1)
    cls = -sum(pt[i].sqrt() * log_p[i, pid[i]] for i in range(4)) / 4
    charge = -prediction.charge.log_softmax(1)[2, 1] / 4  # the only tower with a particle
    torch.testing.assert_close(losses["loss_cls"], cls)
    torch.testing.assert_close(losses["loss_charge"], charge)
    s = pt_unit(x)
    true = torch.tensor([0.0, *(y[1:, 2] / pt[1:])])
    of_pt = pt * s * huber((pt_ratio(prediction.momentum[:, 0], x) - true) / s)
    torch.testing.assert_close(losses["loss_pt"], of_pt.sum() / 4)
    off = prediction.momentum[2, 1:] - (y[2, 3:6] - x[2, 2:5]) * 10
    for part, expected in zip(PARTS[3:], huber(off) / 4, strict=True):
        torch.testing.assert_close(losses[f"loss_{part}"], expected)


def test_the_best_pt_of_an_uncertain_element_is_its_mean():
    """Half of the towers are nothing: then the sum over all of them must be right."""
    batch = batch_of([0, 2] * 50)
    batch.x[:, 0], batch.x[:, 1], batch.x[:, 6] = 1, 1.0, 0.0
    batch.ygen[1::2, 2] = 0.8
    output = torch.zeros(100, 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([output], lr=1.0)
    for _ in range(400):
        common = output.mean().expand(100, 1)
        momentum = torch.cat([common, torch.zeros(100, 3)], 1)
        optimizer.zero_grad()
        heads = Prediction(torch.zeros(100, 6), torch.zeros(100, 3), momentum)
        ParticleFlowLoss()(heads, batch)["loss_pt"].backward()
        output.grad *= 100
        optimizer.step()
    assert pt_ratio(common[:1, 0], batch.x[:1]).item() == pytest.approx(0.4, abs=1e-3)


def test_the_powers_of_pt_weigh_the_elements():
    batch, prediction = batch_of([0, 1, 2]), prediction_of(3)
    flat = ParticleFlowLoss(power_cls=0.0, power_pt=0.0)
    steep = ParticleFlowLoss(power_cls=2.0, power_pt=2.0)
    for row in range(3):
        one = rows(batch, prediction, slice(row, row + 1))[::-1]
        for part in ("loss_cls", "loss_pt"):
            expected = flat(*one)[part] * batch.x[row, 1] ** 2
            torch.testing.assert_close(steep(*one)[part], expected)


def test_no_element_weighs_more_than_one_of_500_gev():
    batch, prediction = batch_of([1]), prediction_of(1)
    batch.x[:, 1], batch.ygen[:, 2] = 500.0, 0.0
    limit = ParticleFlowLoss()(prediction, batch)["loss_pt"]
    batch.x[:, 1] = 1e6
    torch.testing.assert_close(ParticleFlowLoss()(prediction, batch)["loss_pt"], limit)


def test_the_total_is_the_weighted_sum_of_the_parts():
    weights = {f"weight_{part}": float(i) for i, part in enumerate(PARTS)}
    losses = ParticleFlowLoss(**weights)(prediction_of(4), batch_of([1, 2, 3, 0]))
    expected = sum(i * losses[f"loss_{part}"] for i, part in enumerate(PARTS))
    torch.testing.assert_close(losses["loss"], expected)
    assert set(losses) == {"loss", *(f"loss_{part}" for part in PARTS)}


def test_the_loss_of_a_set_is_the_mean_of_its_batches_weighted_by_their_elements():
    batch, prediction = batch_of([0, 1, 2, 3, 4, 5, 0, 0, 1]), prediction_of(9)
    loss = ParticleFlowLoss()
    whole = loss(prediction, batch)
    split = [slice(0, 2), slice(2, 6), slice(6, 9)]
    parts = [(s.stop - s.start, loss(*reversed(rows(batch, prediction, s)))) for s in split]
    for name, value in whole.items():
        mean = sum(n * part[name] for n, part in parts) / 9
        torch.testing.assert_close(mean, value)


@pytest.mark.parametrize("classification", ["ce", "focal"])
@pytest.mark.parametrize("pids", [[], [0], [0, 0, 0]])
def test_batches_without_particles_or_elements_have_finite_losses_and_gradients(
    pids, classification
):
    prediction, batch = prediction_of(len(pids)), batch_of(pids)
    batch.x[:, 5] = 0
    losses = ParticleFlowLoss(classification=classification)(prediction, batch)
    assert all(value.isfinite() for value in losses.values())
    absent = [part for part in PARTS if part not in {"cls", "pt"}]
    assert all(losses[f"loss_{part}"] == 0 for part in absent)
    prediction.logits.retain_grad()
    losses["loss"].backward()
    assert prediction.logits.grad.isfinite().all()


def test_focal_loss_is_the_cross_entropy_times_a_power_of_the_error():
    logits = torch.tensor([[0.0, math.log(3), -100, -100, -100, -100]]).double()
    prediction, batch = prediction_of(1), batch_of([1])
    prediction = Prediction(logits, prediction.charge, prediction.momentum)
    ce = ParticleFlowLoss(power_cls=0.0)(prediction, batch)["loss_cls"]
    focal = ParticleFlowLoss(classification="focal", focal_gamma=3, power_cls=0.0)(
        prediction, batch
    )["loss_cls"]
    assert ce.item() == pytest.approx(-math.log(0.75))
    assert focal.item() == pytest.approx(-math.log(0.75) * 0.25**3)


def test_focal_gradients_are_finite_where_the_class_is_certain():
    logits = torch.tensor([[200.0, 0, 0, 0, 0, 0]], requires_grad=True)
    prediction = Prediction(logits, torch.zeros(1, 3), torch.zeros(1, 4))
    batch = Batch(torch.ones(1, 12), torch.zeros(1, 7), torch.zeros(1, 7), torch.tensor([0, 1]))
    ParticleFlowLoss(classification="focal", focal_gamma=0.5)(prediction, batch)["loss"].backward()
    assert logits.grad.isfinite().all()


def test_huber_turns_linear_at_delta():
    batch, prediction = batch_of([1]), prediction_of(1)
    batch.ygen[0, 3:6] = batch.x[0, 2:5]
    off = Prediction(prediction.logits, prediction.charge, torch.full((1, 4), 3.0).double())
    losses = ParticleFlowLoss(huber_delta=0.5)(off, batch)
    assert losses["loss_eta"].item() == pytest.approx(0.5 * (3 - 0.25))


def test_the_loss_is_float32_under_autocast():
    batch, prediction = batch_of([1, 2]), prediction_of(2)
    batch = Batch(batch.x.float(), batch.ygen.float(), batch.ycand.float(), batch.offsets)
    half = Prediction(
        *(t.bfloat16() for t in (prediction.logits, prediction.charge, prediction.momentum))
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert ParticleFlowLoss()(half, batch)["loss"].dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classification": "mse"}, "classification must be 'ce' or 'focal', got 'mse'"),
        ({"focal_gamma": -1.0}, "focal_gamma must be >= 0, got -1.0"),
        ({"power_cls": -0.5}, "power_cls must be >= 0, got -0.5"),
        ({"power_pt": "x"}, "power_pt must be >= 0, got x"),
        ({"huber_delta": 0.0}, "huber_delta must be > 0, got 0.0"),
        ({"weight_eta": -2.0}, "weight_eta must be >= 0, got -2.0"),
    ],
)
def test_a_bad_option_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        ParticleFlowLoss(**options)


def test_the_shipped_configuration_names_every_option():
    with initialize_config_dir(config_dir(), version_base="1.3"):
        config = compose(overrides=["+loss=default"]).loss
    assert set(config) - {"_target_"} == set(ParticleFlowLoss.__init__.__kwdefaults__)
    assert isinstance(instantiate(config), ParticleFlowLoss)
