import numpy as np

from mlpf.evaluation import speed
from mlpf.evaluation.speed import scan
from tests.conftest import random_events
from tests.mlpf.evaluation.test_stream import network


def test_time_and_memory_are_measured_at_each_size(monkeypatch):
    monkeypatch.setattr(speed, "SIZES", (64, 4096))
    found = list(scan(network(), random_events(3, 1)))
    names = [(r.name, r.selection) for r in found]
    assert names[:2] == [("ms_per_event", "64 elements"), ("ms_per_event", "4096 elements")]
    rows = dict(zip(names, found, strict=True))
    small, large = (rows["ms_per_event", f"{n} elements"].value for n in (64, 4096))
    assert 0 < small < large
    assert rows["mb_per_event", "4096 elements"].value > 0.5
    curve = rows["ms_per_event", "batch 1"]
    assert curve.x == [64, 4096]
    assert np.isfinite(curve.values).all()
