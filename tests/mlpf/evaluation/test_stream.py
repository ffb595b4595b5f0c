import pytest
import torch
from torch import nn

from mlpf import MLPF
from mlpf.config import ConfigError
from mlpf.evaluation.stream import Settings, Stream, fingerprint, named
from mlpf.physics.results import Row
from tests.conftest import random_events


def network(seed=1):
    torch.manual_seed(seed)
    return MLPF(output_dim=8, bin_size=8, num_graph_layers_id=1, num_graph_layers_reg=1).eval()


def stream(networks, settings=None, n_events=6, has_rules=True):
    made = Stream(networks, settings or Settings(n_draws=2), has_rules=has_rules, n_shown=2)
    events = random_events(n_events, 3)
    for i in range(n_events):
        made.add(events.take([i]))
    return made


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"p_none_max": 0}, r"p_none_max must be in \(0, 1\], got 0"),
        ({"batch_size": 0}, "batch_size must be an integer >= 1, got 0"),
        ({"n_draws": -1}, "n_draws must be an integer >= 0"),
        ({"seed": True}, "seed must be an integer >= 0"),
        ({"speed": "fast"}, "speed must be none, event or scan, got fast"),
        ({"jet_pt_min": 5}, "jet_pt_min must be >= 10 or null, got 5"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Settings(**settings)


def test_a_network_is_compared_with_the_rules_and_timed():
    made = stream({"a": network()})
    found = list(made.results())
    assert {r.column for r in found} == {"truth", "rules", "mlpf", "mlpf-rules"}
    (time,) = [r for r in found if r.name == "ms_per_event"]
    assert (time.selection, time.n) == ("batch 1", 5)  # the first event warms up
    assert made.described()["n_events"] == 6
    events, shown = made.shown()
    assert len(events) == 2
    assert len(shown["a"].kept) == len(events.x)


def test_two_networks_have_paired_differences():
    a, b = network(1), network(2)
    found = list(stream({"a": a, "b": b}, Settings(n_draws=2, speed="none")).results())
    rows = {(r.name, r.selection, r.column): r for r in found if isinstance(r, Row)}
    first, second = (rows["tower_accuracy", f"{n}, towers", "mlpf"].value for n in "ab")
    difference = rows["tower_accuracy", "b - a, towers", "mlpf-mlpf"]
    assert difference.value == pytest.approx(second - first, abs=1e-6)
    same = list(stream({"a": a, "b": a}, Settings(n_draws=2, speed="none")).results())
    assert {r.value for r in same if r.selection == "b - a, all"} <= {0, None}


def test_events_without_rules_have_no_such_column():
    found = list(stream({"a": network()}, has_rules=False).results())
    assert {r.column for r in found} == {"truth", "mlpf"}


def test_a_network_of_other_events_is_named():
    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(99, 6)

        def forward(self, batch):
            return self.layer(batch.x)

    with pytest.raises(ConfigError, match="odd: the network can't read the events"):
        stream({"odd": Other().eval()})


def test_fingerprints_are_those_of_weights():
    assert fingerprint(network(1)) == fingerprint(network(1)) != fingerprint(network(2))


def test_names_come_before_selections():
    row = Row("met", "all", "mlpf", 1.0, None, 1, "GeV")
    assert named([row], "a")[0].selection == "a, all"
    assert named([row], "") == [row]
