"""A small evaluation as `evaluation.json` holds it."""

import pytest


def row(name, selection, column, value, error=None, n=10, unit=""):
    return {
        "name": name,
        "selection": selection,
        "column": column,
        "value": value,
        "error": error,
        "n": n,
        "unit": unit,
    }


def curve(name, selection, column, values, **more):
    return {
        "name": name,
        "selection": selection,
        "column": column,
        "values": values,
        "x_label": "true energy [GeV]",
        "y_label": name,
        "unit": "",
        "errors": None,
        "n": None,
        **more,
    }


@pytest.fixture
def evaluation():
    return {
        "schema": 1,
        "settings": {
            "model": "runs/<script>alert(1)</script>",
            "n_events": 80,
            "networks": {"a": "1<2"},
            "commands": ["mlpf.evaluate run=a", "mlpf.train -m 'x&y'"],
        },
        "rows": [
            row("tower_accuracy", "towers", "rules", 0.8959, 0.0016),
            row("tower_accuracy", "towers", "mlpf", 0.9131, 0.0012),
            row("tower_accuracy", "towers", "mlpf-rules", 0.0172, 0.0012),
            row("met_rms", "all", "rules", 25.2, 1.5, 80, "GeV"),
            row("met_rms", "all", "mlpf", 26.4, 1.5, 80, "GeV"),
            row("met_rms", "all", "mlpf-rules", 1.2, 0.9, 80, "GeV"),
            row("jet_efficiency", "|eta|<2.5 <b>", "truth", 1.0, 0.0, 300),
            row("jet_efficiency", "|eta|<2.5 <b>", "rules", 0.93, 0.01, 300),
            row("jet_efficiency", "|eta|<2.5 <b>", "mlpf", 0.91, 0.01, 300),
            row("jet_efficiency", "|eta|<2.5 <b>", "mlpf-rules", -0.02, 0.004, 300),
            row("fake_rate", "neutral_hadron", "mlpf", None, None),
        ],
        "curves": [
            curve(
                "efficiency",
                "neutral_hadron",
                "mlpf",
                [0.5, 0.9, None],
                edges=[1, 10, 100, 1000],
                errors=[0.1, [0.2, 0.05], None],
            )
        ],
        "missing": ["jets: <i>fastjet</i> is not installed"],
    }


@pytest.fixture
def make_curve():
    """Makes a curve as JSON holds it."""
    return curve
