"""The committed job scripts are what the configuration gives today."""

from pathlib import Path

import pytest

from benchmarks.reproduce.sites import SITES, script

SCRIPTS = Path(__file__).parents[3] / "docs/howto/sites"


@pytest.fixture(scope="module", params=SITES)
def site(request):
    return request.param, script(request.param)


def test_the_committed_script_of_a_site_is_up_to_date(site):
    name, text = site
    assert text == (SCRIPTS / f"{name}.sh").read_text(), "run python -m benchmarks.reproduce.sites"


def test_a_site_asks_for_what_is_known_of_it(site):
    name, text = site
    partition, n_nodes, gpus, cpus, minutes = {
        "jureca": ("dc-gpu", 24, "--gres=gpu:4", 32, 1440),
        "juwels_booster": ("booster", 24, "--gres=gpu:4", 24, 360),
        "coresite": ("gpu", 96, "--gpus-per-node=1", 8, 240),
        "lumi": ("standard-g", 12, "--gpus-per-node=8", 4, 1440),
    }[name]
    lines = text.splitlines()
    for option in (
        "--account=ACCOUNT",
        f"--partition={partition}",
        f"--array=0-{n_nodes - 1}%{n_nodes}",
        gpus,
        f"--cpus-per-task={cpus}",
        f"--time={minutes}",
    ):
        assert f"#SBATCH {option}" in lines
    tasks = 1 if name == "coresite" else int(gpus[-1])
    assert f"#SBATCH --ntasks-per-node={tasks}" in lines
    assert any(line.startswith(("module load", "export NCCL")) for line in lines)
