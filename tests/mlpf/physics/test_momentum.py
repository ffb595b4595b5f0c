import numpy as np
import pytest

from mlpf.physics.accumulator import Accumulator
from mlpf.physics.momentum import DirectionFigure, MomentumFigure, angle_between
from mlpf.physics.sample import Answer, Sample


def test_resolution_is_that_of_numpy_over_the_elements_where_all_agree(drawn, noisy, as_row):
    figure = Accumulator([MomentumFigure(["rules", "mlpf"])], [], n_draws=3)
    network = noisy(drawn)
    figure.add(Sample.of(drawn, network))
    found = list(figure.results())
    y, rules, mlpf = drawn.ygen, drawn.ycand, network.particles
    same = (y[:, 0] > 0) & (rules[:, 0] == y[:, 0]) & (mlpf[:, 0] == y[:, 0])
    for group, column, chosen in (("charged", 2, y[:, 0] == 1), ("photon", 6, y[:, 0] == 3)):
        where = same & chosen
        r = mlpf[where, column] / y[where, column] - 1
        low, middle, high = np.quantile(r, [0.25, 0.5, 0.75])
        width = as_row(found, "momentum_resolution", group, "mlpf")
        assert (width.value, width.n) == (pytest.approx(r.std(), rel=0.01), where.sum())
        assert as_row(found, "momentum_median", group, "mlpf").value == pytest.approx(
            middle, abs=0.01
        )
        assert as_row(found, "momentum_iqr", group, "mlpf").value == pytest.approx(
            (high - low) / (1 + middle), rel=0.05
        )


def test_directions_are_compared_around_the_circle(by_hand, as_row):
    def towards(phi, eta=0.0):
        return [3, 0, 5, eta, np.sin(phi), np.cos(phi), 5]

    events = by_hand([(1, towards(3.1), towards(-3.1, 0.1))])
    answer = Answer(events.ycand, events.ycand)
    figure = Accumulator([DirectionFigure(["rules", "mlpf"])], [], n_draws=0)
    figure.add(Sample.of(events, answer))
    found = list(figure.results())
    dphi = 2 * np.pi - 6.2
    assert as_row(found, "direction_dphi_median", "towers", "mlpf").value == pytest.approx(
        dphi, 0.04
    )
    dr = as_row(found, "direction_dr_median", "towers", "rules").value
    assert dr == pytest.approx(np.hypot(dphi, 0.1), 0.04)
    assert as_row(found, "element_direction_dr_median", "towers", "truth").value == 0
    assert angle_between(events.ygen, events.ycand) == pytest.approx(dphi, 1e-5)


def test_residuals_of_each_class_are_counted(drawn, noisy, as_row):
    figure = Accumulator([MomentumFigure(["rules", "mlpf"])], [], n_draws=0)
    figure.add(Sample.of(drawn, noisy(drawn)))
    found = list(figure.results())
    curves = {(r.selection, r.column): r for r in found if r.name == "momentum_residual"}
    hadrons = curves["charged_hadron", "mlpf"]
    n = as_row(found, "momentum_resolution", "charged_hadron", "mlpf").n
    assert sum(hadrons.values) == pytest.approx(n, rel=0.02)
    assert hadrons.x_label == "(pt' - pt) / pt"
    assert curves["photon", "rules"].x_label == "(E' - E) / E"
