"""Collisions from Pythia; every test here needs the `[simulation]` extra."""

import sys

import numpy as np
import pytest
import pythia8mc

from benchmarks.reproduce.comparison import COUNTS
from benchmarks.reproduce.simulation import Task, hard_collisions, simulate
from mlpf.config import ConfigError
from mlpf.data.generator import is_visible
from mlpf.generation.processes import MINIMUM_BIAS, choose
from mlpf.generation.pythia import make_events, make_tables
from mlpf.schema import ElementType

# Means over the first 200 events of the Delphes file tev14_pythia8_ttbar_pu0_0 (see
# docs/explanation/simulation.md), labels as published. `hard_collisions` makes the same ones.
DELPHES_MEANS = {
    "elements": 149.91,
    "tracks": 71.53,
    "ECAL towers, abs(eta) < 3": 38.58,
    "HCAL towers, abs(eta) < 3": 19.16,
    "HF towers, em": 8.16,
    "HF towers, had": 12.47,
    "ygen none": 14.09,
    "ygen charged hadron": 71.65,
    "ygen neutral hadron": 20.33,
    "ygen photon": 41.97,
    "ycand none": 11.27,
    "ycand charged hadron": 69.89,
    "ycand neutral hadron": 21.09,
    "ycand photon": 46.02,
}
DELPHES_QUANTILES = {  # 10, 50, 90 %
    "track pt": [0.461, 1.408, 7.915],
    "tower ET": [0.751, 1.944, 11.000],
    "ygen photon E": [0.873, 3.671, 28.211],
}


def test_minimum_bias_particles_are_stable_visible_and_charged_as_their_name(tmp_path):
    make_tables(MINIMUM_BIAS, tmp_path)
    (made,) = make_events(MINIMUM_BIAS, 20, 1, tmp_path)
    batch = made.seen()
    codes = np.abs(batch.records["pid"])
    assert not np.isin(codes, (12, 14, 16, 111)).any()
    assert np.isin(211, codes)
    for pid, charge in {211: 1, -211: -1, 22: 0, 11: -1, -11: 1, 2212: 1, 130: 0}.items():
        assert set(batch.records["charge"][batch.records["pid"] == pid]) <= {charge}
    assert 100 < len(batch.records) / 20 < 220


def test_without_pythia_one_line_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    with pytest.raises(ConfigError, match=r"pythia8mc: pip install 'mlpf-hpo\[simulation\]'"):
        make_tables(choose("ttbar"), tmp_path)


def test_simulated_events_agree_with_delphes(tmp_path):
    hard = hard_collisions((200, 1004))
    events, _ = simulate(Task(hard, 0, tmp_path, (1,)))
    for name, expected in DELPHES_MEANS.items():
        mean = COUNTS[name](events).sum() / len(events)
        # the same collisions, so what is left is the chance of the detector
        np.testing.assert_allclose(mean, expected, rtol=0.03, err_msg=name)
    tower = events.x[:, 0] == ElementType.TOWER
    values = {
        "track pt": events.x[~tower, 1],
        "tower ET": events.x[tower, 1],
        "ygen photon E": events.ygen[events.ygen[:, 0] == 3, 6],
    }
    for name, expected in DELPHES_QUANTILES.items():
        quantiles = np.quantile(values[name], [0.1, 0.5, 0.9])
        np.testing.assert_allclose(quantiles, expected, rtol=0.05, err_msg=name)


def test_what_cannot_be_seen_is_what_pythia_calls_invisible():
    data = pythia8mc.Pythia("", False).particleData
    code, codes = data.nextId(1), []
    while code:
        codes.append(code)
        code = data.nextId(code)
    stable = [code for code in codes if not data.canDecay(code) and not data.isResonance(code)]
    stable += [1000022, 1000012]  # decay only if a model says so
    expected = np.array([data.isVisible(code) for code in stable])
    codes = np.array(stable)
    assert codes[is_visible(codes) != expected].tolist() == []
