"""Which GPUs a machine has, by fakes of its tools and files, and who of its workers sees which."""

import subprocess
import sys

import pytest

from hpo.launch.devices import Devices, Slots, visible_devices
from hpo.launch.options import LocalOptions
from hpo.settings import SettingError

TWO = "GPU 0: NVIDIA A100 (UUID: GPU-aaaa-1)\nGPU 1: NVIDIA A100 (UUID: GPU-bbbb-2)"
MIG = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa-1)
  MIG 1g.5gb      Device  0: (UUID: MIG-cccc-3)
  MIG 1g.5gb      Device  1: (UUID: MIG-dddd-4)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-bbbb-2)"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Makes a machine with this answer of nvidia-smi and these files; returns its root."""

    def make(answer=None, code=0, **files):
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin" if answer else str(tmp_path))
        if answer is not None:
            tool = tmp_path / "nvidia-smi"
            tool.write_text(f"#!/bin/sh\n[ $1 = -L ] && cat <<'EOF'\n{answer}\nEOF\nexit {code}\n")
            tool.chmod(0o755)
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("environ", "names", "variables"),
    [
        ({"CUDA_VISIBLE_DEVICES": "2,0"}, ("2", "0"), ("CUDA_VISIBLE_DEVICES",)),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8f, MIG-c0/1/2"}, ("GPU-8f", "MIG-c0/1/2"), None),
        ({"CUDA_VISIBLE_DEVICES": "0,-1,1"}, ("0",), None),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, (), None),
        ({"CUDA_VISIBLE_DEVICES": ""}, (), None),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, (), None),
        ({"HIP_VISIBLE_DEVICES": "0,1"}, ("0", "1"), ("HIP_VISIBLE_DEVICES",)),
        ({"ROCR_VISIBLE_DEVICES": "4,5"}, ("4", "5"), ("ROCR_VISIBLE_DEVICES",)),
        (
            {"ROCR_VISIBLE_DEVICES": "4,5", "HIP_VISIBLE_DEVICES": "0,1"},
            ("0", "1"),
            ("HIP_VISIBLE_DEVICES",),
        ),
    ],
)
def test_the_environment_says_which_gpus_are_visible(machine, environ, names, variables):
    devices = visible_devices(environ, machine(TWO))
    assert devices.names == names
    assert devices.variables == (variables or ("CUDA_VISIBLE_DEVICES",))


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ("GPU 0: A\nGPU 1: B", ("0", "1")),
        (TWO, ("GPU-aaaa-1", "GPU-bbbb-2")),
        (MIG, ("MIG-cccc-3", "MIG-dddd-4", "GPU-bbbb-2")),
    ],
)
def test_gpus_and_their_instances_are_found_by_their_unique_names(machine, answer, names):
    assert visible_devices({}, machine(answer)).names == names


def test_without_nvidia_smi_the_files_of_the_driver_tell(machine):
    files = {f"proc__driver__nvidia__gpus__000{i}__information": text for i, text in enumerate(
        ["Model: A100\nGPU UUID: \t GPU-aaaa-1\n", "Model: A100\nGPU UUID: \t GPU-bbbb-2\n"]
    )}  # fmt: skip
    assert visible_devices({}, machine(**files)).names == ("GPU-aaaa-1", "GPU-bbbb-2")


def test_gpus_of_amd_are_those_whose_device_is_here(machine):
    node = "sys__class__kfd__kfd__topology__nodes__"
    root = machine(
        **{
            f"{node}0__properties": "cpu_cores_count 64\nsimd_count 0\ndrm_render_minor 0\n",
            f"{node}1__properties": "simd_count 440\ndrm_render_minor 128\n",
            f"{node}2__properties": "simd_count 440\ndrm_render_minor 129\n",
            "dev__dri__renderD129": "",
        }
    )
    assert visible_devices({}, root) == Devices(("0",), ("ROCR_VISIBLE_DEVICES",))


def test_a_tool_that_fails_is_told_and_a_machine_without_any_has_none(machine, caplog):
    assert visible_devices({}, machine()) == Devices()
    assert caplog.text == ""
    assert visible_devices({}, machine("Driver/library version mismatch", code=18)) == Devices()
    assert "nvidia-smi fails, its GPUs are not used" in caplog.text


def slots(n_gpus, **options):
    return Slots.of_machine(LocalOptions(**options), Devices(tuple(map(str, range(n_gpus)))))


def seen(slots, n):
    return [slots.environment(i).get("CUDA_VISIBLE_DEVICES") for i in range(n)]


@pytest.mark.parametrize(
    ("n_gpus", "options", "n_workers", "expected"),
    [
        (4, {}, 4, ["0", "1", "2", "3"]),
        (4, {"gpus_per_trial": 2}, 2, ["0,1", "2,3"]),
        (5, {"gpus_per_trial": 2}, 2, ["0,1", "2,3"]),
        (2, {"workers_per_gpu": 2}, 4, ["0", "1", "0", "1"]),
        (4, {"gpus_per_trial": 0}, None, ["-1", "-1"]),
        (0, {}, None, [None, None]),
    ],
)
def test_each_worker_sees_gpus_of_its_own_and_the_number_fits(
    n_gpus, options, n_workers, expected
):
    divided = slots(n_gpus, **options)
    assert divided.default() == n_workers
    assert seen(divided, len(expected)) == expected


def test_more_workers_than_gpus_share_them_and_that_is_said(caplog):
    divided = slots(2)
    divided.check(2, "n_workers")
    assert caplog.text == ""
    divided.check(3, "n_workers")
    assert "3 workers share 2 GPUs" in caplog.text
    assert seen(divided, 3) == ["0", "1", "0"]
    slots(0).check(64, "n_workers")


@pytest.mark.parametrize(
    ("n_gpus", "options", "message"),
    [
        (1, {"gpus_per_trial": 2}, "gpus_per_trial=2, but this command sees 1 GPU on"),
        (0, {"gpus_per_trial": 2}, "gpus_per_trial=2, but this command sees 0 GPUs on"),
        (1, {"gpus_per_trial": -1}, "gpus_per_trial must be at least 0, got -1"),
        (1, {"workers_per_gpu": 0}, "workers_per_gpu must be at least 1, got 0"),
    ],
)
def test_what_does_not_fit_is_refused(n_gpus, options, message):
    with pytest.raises(SettingError, match=message):
        slots(n_gpus, **options)


def test_more_workers_than_a_packing_allows_are_refused():
    with pytest.raises(SettingError, match="n_workers=5 is too many: 2 GPUs at gpus_per_trial=1"):
        slots(2, workers_per_gpu=2).check(5, "n_workers")


def test_looking_for_gpus_does_not_import_pytorch():
    code = "import sys, hpo.launch.devices; print({'torch', 'optuna'} & {*sys.modules})"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"
