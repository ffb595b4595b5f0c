from mlpf.evaluation.shown import displays
from mlpf.network.candidates import predict
from mlpf.physics.jets import has_fastjet
from tests.conftest import random_events
from tests.mlpf.evaluation.test_stream import network


def test_each_event_is_shown_by_truth_rules_and_network():
    events = random_events(2, 1)
    found = predict(network(), events)
    first, second = displays(events, found)
    assert first.title == "Event 1"
    assert len(first.elements) == events.sizes[0]
    assert list(second.panels) == ["truth", "rules", "mlpf"]
    assert second.panels["mlpf"].particles.tolist() == found.kept[events.offsets[1] :].tolist()
    assert (second.panels["truth"].jets is not None) == has_fastjet()
