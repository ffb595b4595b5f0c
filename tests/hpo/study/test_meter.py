import os

import pytest

from commons.processes import n_cores
from hpo.study import meter
from hpo.study.meter import Share, added, gpu_names, share


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"HPO_CORES": "0.25", "HPO_GPUS": "0.5", "OMP_NUM_THREADS": "9"}, Share(0.25, 0.5)),
        ({"OMP_NUM_THREADS": "1"}, Share(1, 0)),
        ({"OMP_NUM_THREADS": "100000"}, Share(n_cores(), 0)),
        ({"OMP_NUM_THREADS": "0"}, Share(n_cores(), 0)),
        ({}, Share(n_cores(), 0)),
        ({"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "0, 1"}, Share(1, 2)),
        ({"OMP_NUM_THREADS": "1", "HPO_CORES": "many", "HPO_GPUS": "-1"}, Share(1, 0)),
    ],
)
def test_a_share_is_what_the_launcher_says_else_what_the_process_may_use(environ, found):
    assert share(environ) == found


@pytest.mark.parametrize(("value", "names"), [("", []), ("-1", []), ("0,GPU-1", ["0", "GPU-1"])])
def test_gpus_are_those_that_the_variable_names(value, names):
    assert gpu_names({"CUDA_VISIBLE_DEVICES": value, "ROCR_VISIBLE_DEVICES": "7"}) == names


@pytest.fixture
def machine(monkeypatch):
    """A machine of four cores and one GPU of which this process has a half; a clock."""
    now = {"s": 100.0, "cpu_j": 40.0, "gpu_j": 10.0}
    monkeypatch.setenv("HPO_CORES", "2")
    monkeypatch.setenv("HPO_GPUS", "0.5")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(meter.time, "monotonic", lambda: now["s"])
    monkeypatch.setattr(meter, "gpus_joules", lambda names: now["gpu_j"])
    packages = type("P", (), {"joules": lambda self: now["cpu_j"]})()
    monkeypatch.setattr(meter, "packages", lambda: packages)
    return now


def test_time_counts_for_the_share_and_energy_too(machine):
    begin = meter.read()
    machine |= {"s": 110.0, "cpu_j": 240.0, "gpu_j": 1010.0}
    used = meter.used_since(begin)
    assert used.pop("cpu_s") >= 0
    assert used == {"core_s": 20.0, "gpu_s": 5.0, "cpu_j": 100.0, "gpu_j": 500.0}


def test_energy_that_cannot_be_read_is_absent_and_not_zero(machine):
    begin = meter.read()
    machine |= {"cpu_j": None, "gpu_j": None}
    assert {"cpu_j", "gpu_j"}.isdisjoint(meter.used_since(begin))


def test_what_was_used_is_added_name_by_name():
    assert added({"core_s": 1.0, "cpu_j": 2.0}, {"core_s": 0.5}, {}) == {
        "core_s": 1.5,
        "cpu_j": 2.0,
    }
