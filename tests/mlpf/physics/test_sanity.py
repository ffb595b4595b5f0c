import numpy as np
import pytest

from mlpf.physics.accumulator import Accumulator
from mlpf.physics.sample import Answer, Sample
from mlpf.physics.sanity import CalibrationFigure, SanityFigure

GOOD = [3, 0, 5, 0, 0, 1, 5]


def test_every_defect_of_a_four_vector_is_counted(by_hand, as_row):
    rows = [GOOD, GOOD, GOOD, GOOD, GOOD, [1, 1, 5, 0, 0, 1, 5], [0] * 7]
    events = by_hand([(1, GOOD, GOOD)] * 7)
    labels = np.array(rows, np.float32)
    labels[0, 6], labels[1, 2], labels[2, 3], labels[3, 1] = 4.7, np.nan, 6, 1
    labels[2, 6] = 5 * np.cosh(6)
    figure = Accumulator([SanityFigure(["rules", "mlpf"])], [], n_draws=0)
    figure.add(Sample.of(events, Answer(labels, labels)))
    found = list(figure.results())
    for selection in ("E < .95 p", "not finite", "abs(eta) > 5.2", "charged neutral"):
        bad = as_row(found, "unphysical_share", selection, "mlpf")
        assert (bad.value, bad.n) == (pytest.approx(1 / 6), 6)
    assert as_row(found, "unphysical_share", "all", "mlpf").value == pytest.approx(4 / 6)
    assert as_row(found, "unphysical_share", "all", "rules").value == 0


def test_the_calibration_error_is_the_gap_between_confidence_and_accuracy(by_hand, as_row):
    events = by_hand([(1, GOOD, GOOD)] * 10)
    p = np.tile([0.3, 0, 0, 0.7, 0, 0], (10, 1)).astype(np.float32)
    p[:4] = p[:4, [3, 1, 2, 0, 4, 5]]  # four are wrong, at the same confidence
    figure = Accumulator([CalibrationFigure()], [], n_draws=5)
    figure.add(Sample.of(events, Answer(events.ygen, events.ygen, p)))
    found = list(figure.results())
    error = as_row(found, "calibration_error", "towers", "mlpf")
    assert (error.value, error.n) == (pytest.approx(0.7 - 0.6, abs=1e-5), 10)
    (curve,) = [r for r in found if r.name == "reliability" and r.selection == "all"]
    assert curve.n[10] == 10
    assert curve.values[10] == 0.6
