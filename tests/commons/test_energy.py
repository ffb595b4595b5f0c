import json
import sys
from types import SimpleNamespace

import pytest

from commons import energy
from commons.energy import Packages, gpus_joules


def zone(root, name, microjoules, most=1000):
    folder = root / name
    folder.mkdir(exist_ok=True)
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")


def test_packages_are_added_their_parts_are_not_counted_again(tmp_path):
    zone(tmp_path, "intel-rapl:0", 5_000_000)
    zone(tmp_path, "intel-rapl:1", 1_000_000)
    zone(tmp_path, "intel-rapl:0:0", 1)  # the cores of package 0
    packages = Packages(tmp_path)
    zone(tmp_path, "intel-rapl:0", 7_000_000)
    zone(tmp_path, "intel-rapl:0:0", 9_000_000)
    zone(tmp_path, "intel-rapl:1", 1_500_000)
    assert packages.joules() == pytest.approx(2.5)
    assert packages.joules() == pytest.approx(2.5)


def test_a_counter_that_overflows_goes_on(tmp_path):
    zone(tmp_path, "intel-rapl:0", 9_000_000, most=10_000_000)
    packages = Packages(tmp_path)
    zone(tmp_path, "intel-rapl:0", 500_000, most=10_000_000)
    assert packages.joules() == pytest.approx(1.5)


def test_a_machine_without_counters_has_no_energy_and_not_zero(tmp_path):
    assert Packages(tmp_path / "none").joules() is None


def test_a_counter_that_only_root_may_read_is_none(tmp_path, monkeypatch):
    zone(tmp_path, "intel-rapl:0", 1)
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    (tmp_path / "intel-rapl:0" / "energy_uj").mkdir()  # root reads any file
    assert Packages(tmp_path).joules() is None


@pytest.fixture
def nvml(monkeypatch):
    """Stands in for nvidia-ml-py: two GPUs, and one that has no counter."""

    class NVMLError(Exception):
        pass

    def energy_of(handle):
        if handle == "GPU-old":
            raise NVMLError("not supported")
        return {0: 1000, 1: 2000, "GPU-b": 4000}[handle]

    stub = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetTotalEnergyConsumption=energy_of,
    )
    monkeypatch.setitem(sys.modules, "pynvml", stub)
    energy._started_nvml.cache_clear()
    yield stub
    energy._started_nvml.cache_clear()


@pytest.mark.parametrize(
    ("names", "joules"),
    [(["0", "1"], 3.0), (["GPU-b"], 4.0), (["0", "GPU-old"], None), ([], None)],
)
def test_gpus_are_read_by_index_or_name_and_added(nvml, names, joules):
    assert gpus_joules(names) == joules


def test_without_a_driver_of_nvidia_nothing_is_read(nvml):
    def refuse():
        raise nvml.NVMLError("driver not loaded")

    nvml.nvmlInit = refuse
    assert gpus_joules(["0"]) is None


@pytest.mark.parametrize(
    ("answer", "joules"),
    [
        (
            '{"card0": {"Accumulated Energy (uJ)": "1500000.0"}, "card1": {"Energy": 7}}',
            1.5,
        ),
        ('{"card1": {"Accumulated Energy (uJ)": "1500000.0"}}', None),
        ("WARNING: no GPU", None),
        (json.dumps({"card0": None}), None),
    ],
)
def test_gpus_of_amd_are_read_by_rocm_smi(tmp_path, monkeypatch, answer, joules):
    script = tmp_path / "rocm-smi"
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
    script.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(energy, "_started_nvml", lambda: None)
    assert gpus_joules(["0"]) == joules


def test_the_counters_of_the_processors_are_read_between_two_looks(tmp_path, monkeypatch):
    zone(tmp_path, "intel-rapl:0", 0, most=1_000_000)
    monkeypatch.setattr(energy, "_POWERCAP", tmp_path)
    read_on = []
    monkeypatch.setattr(energy, "_often", read_on.append)
    energy.packages.cache_clear()
    packages = energy.packages()
    energy.packages.cache_clear()
    assert read_on == [packages.joules]
