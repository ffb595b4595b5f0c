"""The statistics of `make check-simulation`, and what the documentation says of its result."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reproduce.comparison import Row, compare, markdown
from benchmarks.reproduce.simulation import main
from mlpf.data.events import concatenate, from_arrays

ROOT = Path(__file__).parents[3]


def events(n_events, seed, scale=1.0):
    """Tracks and towers of all classes with exponential spectra."""
    rng = np.random.default_rng(seed)
    x, y = [], []
    for n in rng.integers(60, 90, n_events):
        kind = rng.integers(0, 3, n)  # track, ECAL tower, HCAL tower
        energy = scale * rng.exponential(10, n) + 0.1
        event = np.zeros((n, 12))
        event[:, 0] = np.where(kind == 0, 2, 1)
        event[:, 1] = event[:, 5] = energy
        event[:, 2] = rng.uniform(-5, 5, n)
        event[:, 6] = np.where(kind == 2, 0, energy)
        event[:, 7] = np.where(kind == 2, energy, 0)
        labels = np.zeros((n, 7))
        labels[:, 0] = rng.integers(0, 6, n)
        labels[:, 6] = energy
        x.append(event)
        y.append(labels)
    return from_arrays(x, y, y)


def test_equal_samples_have_ratio_one_and_no_error():
    sample = events(40, 1)
    for row in compare(0, sample, sample):
        assert row.ratio == 1
        assert row.error == 0
        assert row.verdict == "ok"


def test_what_repetitions_share_with_the_reference_cancels_in_the_error():
    sample = events(40, 1)
    rows = {row.name: row for row in compare(0, concatenate([sample, sample]), sample)}
    assert rows["tracks"].error == pytest.approx(0, abs=1e-12)
    assert rows["track pt, 50%"].error < 1e-3


def test_errors_describe_the_spread_of_independent_samples():
    pairs = [compare(0, events(40, 2 * i), events(40, 2 * i + 1)) for i in range(20)]
    for name in ("tracks", "track pt, 50%"):
        rows = [row for rows in pairs for row in rows if row.name == name]
        spread = np.std([row.ratio for row in rows])
        assert 0.5 < np.mean([row.error for row in rows]) / spread < 2


def test_a_shifted_spectrum_is_a_miss():
    rows = {row.name: row for row in compare(0, events(200, 1, scale=1.2), events(200, 2))}
    assert rows["track pt, 50%"].verdict == "MISS"
    assert rows["tracks"].verdict == "ok"


def test_a_deviation_is_judged_only_where_the_statistics_allow():
    assert Row(0, "a", 1.02, 1.0, error=0.001, bound=0.03).verdict == "ok"
    assert Row(0, "a", 1.04, 1.0, error=0.001, bound=0.03).verdict == "MISS"
    assert Row(0, "a", 1.04, 1.0, error=0.031, bound=0.03).verdict == "few"


def test_the_error_of_the_pools_adds_to_multiplicities_only():
    sample = events(40, 1)
    rows = {row.name: row for row in compare(20, sample, sample, pool_error=0.01)}
    assert rows["tracks"].error == pytest.approx(0.01)
    assert rows["track pt, 50%"].error == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("n_ours", "n_reference"), [(30, 20), (10, 10)])
def test_samples_that_do_not_fit_are_refused(n_ours, n_reference):
    with pytest.raises(ValueError, match="cannot compare"):
        compare(0, events(n_ours, 1), events(n_reference, 2))


def test_a_missing_reference_is_named(tmp_path, capsys):
    assert main([f"delphes={tmp_path}"]) == 2
    assert "tev14_pythia8_ttbar_pu0_0.pkl.bz2" in capsys.readouterr().err


def test_the_documentation_shows_the_committed_result():
    result = json.loads((ROOT / "benchmarks/results/check_simulation.json").read_text())
    assert not [row for row in result["rows"] if row["verdict"] == "MISS"]
    assert markdown(result["rows"]) in (ROOT / "docs/explanation/simulation.md").read_text()
