"""Texts of SLURM 20.11 to 25.05, and what they mean for the settings."""

import pytest

from hpo.launch.slurm.answers import advice, is_only_now, refusal, said

FAILED = "sbatch: error: Batch job submission failed: "
TIME = "Requested time limit is invalid (missing or exceeds some limit)"
LIMIT = "sbatch: error: {}\n" + FAILED + "Job violates accounting/QOS policy"
POLICY = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        (FAILED + "Invalid account or account/partition combination specified", "{account}"),
        (FAILED + "Invalid partition name specified", "{partition}"),
        ("sbatch: error: invalid partition specified: nope", "{partition}"),
        (FAILED + "User's group not permitted to use this partition", "{partition}"),
        (FAILED + "Invalid qos specification", "{qos}"),
        (
            FAILED + "Requested time limit is invalid (missing or exceeds some limit)",
            "{timeout_min}",
        ),
        (FAILED + "Requested partition configuration not available now", "{timeout_min}"),
        (FAILED + "Requested node configuration is not available", "{cpus_per_task}"),
        ("sbatch: error: CPU count per node can not be satisfied", "{cpus_per_task}"),
        ("sbatch: error: Memory specification can not be satisfied", "{mem_gb}"),
        ("sbatch: error: Invalid generic resource (gres) specification", "{gpu_option}"),
        ("allocation failure: Invalid feature specification", "{constraint}"),
        ("allocation failure: Invalid node name specified", "{nodelist}"),
        ("allocation failure: Requested reservation is invalid", "{reservation}"),
        ("allocation failure: Invalid license specification", "{sbatch}"),
        (FAILED + "Job dependency problem", "{dependency}"),
        (FAILED + "Invalid job array specification", "fewer workers"),
        (LIMIT.format("AssocMaxSubmitJobLimit"), "fewer workers, or wait"),
        (
            "sbatch: error: QOSMaxSubmitJobPerUserLimit\n" + FAILED + POLICY,
            "fewer workers, or wait",
        ),
        (FAILED + POLICY, "fewer workers, or wait"),
        (
            "sbatch: error: QOSMaxWallDurationPerJobLimit\n" + FAILED + "QOS policy",
            "{timeout_min}",
        ),
        ("sbatch: unrecognized option '--foo=9'\nTry \"sbatch --help\" for more", "{sbatch}"),
    ],
)
def test_a_refusal_is_one_line_with_the_setting_to_change(answer, key):
    text = refusal(answer).naming("{{{}}}".format)
    assert key in text.partition("Remedy: ")[2]
    assert text.startswith("SLURM refuses the job: ")
    assert not [word for word in ("\n", "sbatch: ", "Try") if word in text.partition("Remedy")[0]]


def test_an_unknown_refusal_is_passed_on():
    text = str(refusal("*** Projekt \x1b[31mxy{0}\x1b[0m hat kein Budget ***"))
    assert text.startswith(r"SLURM refuses the job: *** Projekt \x1b[31mxy{0}\x1b[0m hat kein")
    assert str(refusal("")).startswith("SLURM refuses the job: no answer (dry_run=true")


@pytest.mark.parametrize(
    ("answer", "now"),
    [
        ("allocation failure: Requested nodes are busy", True),
        ("Required node not available (down, drained or reserved)", True),
        ("Unable to contact slurm controller (connect failure)", True),
        ("Socket timed out on send/recv operation", True),
        ("Requested node configuration is not available", False),
        ("Invalid account or account/partition combination specified", False),
    ],
)
def test_not_now_is_told_from_never(answer, now):
    assert is_only_now(answer) is now


@pytest.mark.parametrize(
    ("reason", "key"),
    [
        ("PartitionTimeLimit", "{timeout_min}"),
        ("QOSMaxWallDurationPerJobLimit", "{timeout_min}"),
        ("AssocMaxWallDurationPerJobLimit", "{timeout_min}"),
        ("PartitionNodeLimit", "{partition}"),
        ("PartitionDown", "{partition}"),
        ("PartitionInactive", "{partition}"),
        ("InvalidAccount", "{account}"),
        ("InvalidQOS", "{qos}"),
        ("ReqNodeNotAvail, UnavailableNodes:n[1-3]", "{nodelist}"),
        ("ReqNodeNotAvail(Unavailable:n1)", "{nodelist}"),
        ("BadConstraints", "{constraint}"),
        ("JobHeldUser", "scontrol release"),
        ("JobHeldAdmin", "administrator"),
        ("launch failed requeued held", "scontrol release"),
        ("DependencyNeverSatisfied", "{dependency}"),
        ("ReservationDeleted", "{reservation}"),
        ("AssocGrpCPUMinutesLimit", "budget"),
        ("AssocGrpBillingMinutes", "budget"),
        ("QOSGrpGRESMinutes", "budget"),
        ("QOSMaxCpuPerJobLimit", "{cpus_per_task}"),
        ("QOSMaxGRESPerJob", "{qos}"),
        ("QOSMaxJobsPerUserLimit", "{qos}"),
        ("AssocMaxJobsLimit", "{account}"),
        ("AssocGrpGRES", "{account}"),
        ("QOSGrpNodeLimit", "{qos}"),
    ],
)
def test_a_reason_that_stays_says_what_to_change(reason, key):
    assert key in advice(reason).naming("{{{}}}".format)


@pytest.mark.parametrize(
    "reason",
    [
        "Resources",
        "Priority",
        "JobArrayTaskLimit",
        "BeginTime",
        "Dependency",
        "Licenses",
        "Prolog",
        "NodeDown",
    ],
)
def test_a_reason_that_passes_by_itself_is_no_warning(reason):
    assert advice(reason) is None


def test_words_of_others_do_not_reach_the_terminal_raw():
    assert said("sbatch: error: a\nsbatch: error: a\n\nsbatch: b\x07") == r"a; b\x07"
