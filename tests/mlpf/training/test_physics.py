"""Physics of validation events: the figures of `mlpf.evaluate`, whatever the batches and ranks."""

import numpy as np
import pytest
import torch

from mlpf import MLPF, ValidationPhysics
from mlpf.config import ConfigError
from mlpf.data.batch import Batch
from mlpf.evaluation.stream import Settings, Stream
from mlpf.physics.figures import key
from mlpf.physics.jets import has_fastjet
from mlpf.physics.results import Row
from mlpf.training import fit, physics
from mlpf.training.fit import check_training, train
from tests.conftest import random_events

NAMES = ["met_ratio", "sum_pt_ratio", "momentum_resolution_charged", "multiplicity_std_photon"]
NAMES += ["jet_efficiency"] if has_fastjet() else []


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return MLPF(output_dim=8, bin_size=8, num_graph_layers_id=1, num_graph_layers_reg=1).eval()


def computed(network, batches, max_events=10, names=NAMES):
    """Figures of 12 events that come in these batches."""
    events, found = random_events(12, 4), ValidationPhysics(names, max_events=max_events)
    for numbers in batches:
        batch = Batch.from_events(events.take(numbers))
        with torch.inference_mode():
            found.add(batch, network(batch), np.array(numbers))
    return found.compute()


def is_mine(result):
    return isinstance(result, Row) and result.column == "mlpf"


def test_figures_are_those_of_evaluate_on_the_first_events(network):
    stream = Stream({"a": network}, Settings(n_draws=0), has_rules=True)
    for i in range(10):
        stream.add(random_events(12, 4).take([i]))
    rows = {key(r.name, r.selection): r for r in stream.results() if is_mine(r)}
    for name, value in computed(network, [[3, 11, 0], [1, 2, 4, 5, 6, 7], [8, 9, 10]]).items():
        expected = np.nan if rows[name].value is None else rows[name].value
        assert value == pytest.approx(expected, rel=1e-5, nan_ok=True), name


def test_ranks_together_have_the_figures_of_one(network, monkeypatch):
    whole = computed(network, [range(5), range(5, 12)])
    alone = ValidationPhysics(NAMES, max_events=10)
    parts = []
    for numbers in (range(5, 12), range(5)):
        batch = Batch.from_events(random_events(12, 4).take(numbers))
        with torch.inference_mode():
            alone.add(batch, network(batch), np.array(numbers))
        alone._flush()
        parts.append(alone._figures)
        alone._figures = alone._empty()
    alone._figures = parts[0]
    monkeypatch.setattr(physics.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(physics.dist, "get_world_size", lambda: 2)
    gather = lambda places, own: places.__setitem__(slice(None), parts)  # noqa: E731
    monkeypatch.setattr(physics.dist, "all_gather_object", gather)
    together = alone.compute()
    assert together == pytest.approx(whole, nan_ok=True)


def test_an_epoch_starts_with_no_events_and_without_events_there_is_nothing(network):
    found = ValidationPhysics(["met_ratio"], max_events=5)
    assert np.isnan(found.compute()["met_ratio"])
    assert ValidationPhysics(["met_ratio"], max_events=0).compute() == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"figures": ["met_ratoi"]},
            r"met_ratoi, .*; did you mean met_ratio\?",
        ),
        ({"max_events": -1}, "max_events must be an integer >= 0, got -1"),
        ({"p_none_max": 2}, r"p_none_max must be in \(0, 1\], got 2"),
        ({"weights": {"met_ratio": "a"}}, "weights.met_ratio must be a number, got a"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ValidationPhysics(**{"figures": [], "max_events": 1} | options)


def test_any_figure_can_be_the_objective_and_a_weighted_sum_too(compose_tiny, tmp_path):
    chosen = ["physics.max_events=4", "trainer.max_epochs=1", "physics.figures=[met_rms]"]
    chosen += ["physics.weights={loss: 2, momentum_median_charged: 1}"]
    value = train(compose_tiny(*chosen, "objective.name=val_weighted"), tmp_path)
    header, row = (line.split(",") for line in (tmp_path / "metrics.csv").read_text().splitlines())
    logged = {name: float(text) for name, text in zip(header, row, strict=True) if text}
    assert value == logged["val_weighted"]
    median = logged["val_momentum_median_charged"]
    assert value == pytest.approx(2 * logged["val_loss"] + median)
    assert np.isfinite(logged["val_met_rms"])
    assert 0 <= logged["val_f1_neutral_hadron"] <= 1


def test_an_objective_that_is_no_figure_is_told_before_the_first_epoch(compose_tiny):
    some = "physics.max_events=4"
    check_training(compose_tiny(some, "objective.name=val_momentum_iqr_neutral"))
    with pytest.raises(ConfigError, match=r"objective\.name: no val_met_ratoi .*val_met_ratio"):
        check_training(compose_tiny(some, "objective.name=val_met_ratoi"))
    with pytest.raises(ConfigError, match=r"physics\.weights: no val_los .*did you mean val_loss"):
        check_training(compose_tiny(some, "physics.weights={los: 1}"))
    with pytest.raises(ConfigError, match=r"physics\.figures has metr, .*; did you mean met\?"):
        check_training(compose_tiny(some, "physics.figures=[metr]"))


def test_without_fastjet_an_objective_of_jets_says_what_to_install(compose_tiny, monkeypatch):
    for module in (fit, physics, physics.Catalog.__init__.__globals__):
        if isinstance(module, dict):
            monkeypatch.setitem(module, "has_fastjet", lambda: False)
        else:
            monkeypatch.setattr(module, "has_fastjet", lambda: False)
    check_training(compose_tiny("physics.max_events=4"))
    with pytest.raises(ConfigError, match=r"val_jet_purity needs jets: .*mlpf-hpo\[jets\]"):
        check_training(compose_tiny("physics.max_events=4", "objective.name=val_jet_purity"))
