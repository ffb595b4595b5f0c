"""What sbatch refuses is told in one line with the setting to change."""

import pytest

from hpo.launch.slurm.refusal import refusal


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ("Batch job submission failed: Invalid partition name specified", "partition"),
        ("Invalid account or account/partition combination", "account} and {partition"),
        ("Unable to allocate: User's association not found", "account"),
        ("Invalid qos specification", "qos"),
        ("Requested time limit is invalid (missing or exceeds some limit)", "timeout_min"),
        ("Invalid generic resource (gres) specification", "gpus_per_node"),
        ("Invalid job array specification", "array_parallelism"),
        ("Requested node configuration is not available", "cpus_per_task"),
    ],
)
def test_a_refusal_names_the_setting(said, key):
    rule, message = refusal(f"some output\nsbatch: error: {said}\n").args
    assert message == f"sbatch: error: {said}"
    assert rule == f"SLURM: {{}}; see {{{key}}} ({{dry_run}}=true shows the job script)"


def test_what_a_site_says_in_its_own_words_is_told_as_it_is():
    text = "*** Projekt \x1b[31mxy{0}\x1b[0m hat kein Budget ***"
    told = str(refusal(text))
    assert told.startswith(r"SLURM: *** Projekt \x1b[31mxy{0}\x1b[0m hat kein Budget ***")
    assert str(refusal("")).startswith("SLURM: no answer")
