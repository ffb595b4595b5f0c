import pytest

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
