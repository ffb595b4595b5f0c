from dataclasses import replace

import numpy as np
import pytest

from mlpf.data.generator import Generator
from mlpf.physics import figures
from mlpf.physics.figures import all_figures
from mlpf.physics.sample import Sample

ONES = ("accuracy", "efficiency", "f1", "sum_pt_ratio", "correlation", "response", "purity")
ZEROS = ("fake_rate", "rms", "resolution", "iqr", "quantile68", "direction", "std", "shift")


def rows_of(events, answer=None, **options):
    columns = ["rules", "mlpf"] if answer else ["rules"]
    accumulator = all_figures(columns, n_draws=0, **options)
    accumulator.add(Sample.of(events, answer))
    return [r for r in accumulator.results() if hasattr(r, "value")]


def test_the_truth_as_prediction_has_no_residual_and_finds_everything(drawn, truth):
    pytest.importorskip("fastjet")
    for r in rows_of(drawn, truth(drawn)):
        if r.column != "mlpf" or r.value is None or "ratio" in r.name.replace("sum_pt_ratio", ""):
            continue
        if r.name == "momentum_median" or any(word in r.name for word in ZEROS):
            assert r.value == 0, r
        elif any(word in r.name for word in ONES) and "equal_number" not in r.name:
            assert r.value == 1, r
    names = {r.name for r in rows_of(drawn, truth(drawn))}
    assert {*ISSUE, "unphysical_share", "calibration_error"} <= names


ISSUE = {
    "tower_accuracy",
    "efficiency",
    "fake_rate",
    "momentum_resolution",
    "met_rms",
    "sum_pt_ratio",
    "jet_efficiency",
    "jet_response_median",
    "jet_response_iqr",
}


def test_without_fastjet_the_rest_is_there(drawn, monkeypatch):
    monkeypatch.setattr(figures, "has_fastjet", lambda: False)
    names = {r.name for r in rows_of(drawn)}
    assert not [name for name in names if "jet" in name]
    assert "met_rms" in names
    assert figures.NO_FASTJET.endswith("pip install 'mlpf-hpo[jets]'")


def test_events_without_rules_have_the_network_alone(drawn, truth):
    accumulator = all_figures(["mlpf"], n_draws=0)
    accumulator.add(Sample.of(drawn, truth(drawn), has_rules=False))
    assert {r.column for r in accumulator.results()} <= {"truth", "mlpf"}


def test_the_generator_is_a_second_truth_for_jets_and_met(by_hand, as_row):
    """A jet and a neutrino that balance: the elements hold the jet and 30 GeV of pile-up."""
    jet = [3, 0, 50.0, 0.5, 0.0, 1.0, 50.0 * np.cosh(0.5)]
    pileup = [3, 0, 30.0, 1.5, 1.0, 0.0, 30.0 * np.cosh(1.5)]
    events = by_hand([(1, jet, jet), (1, pileup, pileup)])
    particles = {name: np.zeros(2, np.float32) for name in "xyz"}
    known = Generator(
        pid=np.array([22, 12]),
        charge=np.zeros(2),
        pt=np.array([50.0, 50.0]),
        eta=np.array([0.5, 0.0]),
        phi=np.array([0.0, np.pi]),
        energy=np.array([50.0 * np.cosh(0.5), 50.0]),
        vertex=np.zeros(2),
        offsets=np.array([0, 2]),
        met_px=np.array([-50.0]),
        met_py=np.zeros(1),
        n_pileup=np.ones(1),
        pileup_share=np.array([0.0, 1.0]),
        **particles,
    )
    found = rows_of(replace(events, generator=known), generator=True)
    met = as_row(found, "met_rms", "generator", "rules")
    assert met.value == pytest.approx(30 / 2**0.5, 1e-6)
    if figures.has_fastjet():
        assert as_row(found, "jet_efficiency", "eta<2.5, generator", "rules").value == 1
        assert as_row(found, "jet_purity", "eta<2.5, generator", "rules").value == 0.5
        assert as_row(found, "jet_purity", "eta<2.5", "rules").value == 1
