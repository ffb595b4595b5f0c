import pytest

from hpo.launch.slurm.cost import at_most
from hpo.launch.slurm.options import SlurmOptions

WHOLE = {"whole_nodes": True, "gpus_per_node": 4, "cpus_per_task": 16, "timeout_min": 720}
UNKNOWN = "core-hours not known (cpus_per_task is the site's)"
AGAIN = "; a job at its limit is requeued while trials are left, for as much again"


@pytest.mark.parametrize(
    ("options", "n_workers", "text"),
    [
        (
            WHOLE,
            96,
            "at most 24 jobs x 1 node x 720 min: 288 node-hours, 1152 GPU-hours, 18432 core-hours",
        ),
        (
            {**WHOLE, "gpus_per_trial": 8},
            3,
            "at most 3 jobs x 2 nodes x 720 min: 72 node-hours, 288 GPU-hours, 4608 core-hours",
        ),
        (
            {"timeout_min": 30},
            1,
            f"at most 1 job x 30 min: 0.5 GPU-hours, {UNKNOWN}",
        ),
    ],
)
def test_the_most_is_what_is_asked_of_slurm_times_the_limit(options, n_workers, text):
    assert at_most(SlurmOptions(**options), n_workers) == text + AGAIN
    assert at_most(SlurmOptions(**options, requeue=False), n_workers) == text
