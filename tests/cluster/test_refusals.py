"""The meaning of sbatch's error messages. The texts are those of SLURM 22.05, typed from a terminal or taken from libslurm."""

import pytest

from diffzero.cluster.slurm.refusals import Answer, classify_refusal, explain_refusal

FAILED = "sbatch: error: Batch job submission failed: "
POLICY = FAILED + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
TEXTS = {
    Answer.PERMANENT: [
        "sbatch: error: invalid partition specified: nosuch\n" + FAILED + "Invalid partition name specified",
        "sbatch: error: invalid partition specified: nosuch\nallocation failure: Invalid partition name specified",
        FAILED + "Requested node configuration is not available",
        "sbatch: error: Memory specification can not be satisfied\n"
        + FAILED
        + "Requested node configuration is not available",
        FAILED + "Invalid account or account/partition combination specified",
        FAILED + "Invalid qos specification",
        FAILED + "Invalid feature specification",
        FAILED + "Invalid generic resource (gres) specification",
        FAILED + "Invalid license specification",  # codespell:ignore
        FAILED + "Invalid node name specified",
        FAILED + "Requested reservation is invalid",
        FAILED + "Access denied to requested reservation",
        FAILED + "Requested time limit is invalid (missing or exceeds some limit)",
        FAILED + "Time limit specification required, but not provided",
        FAILED + "User's group not permitted to use this partition",
        FAILED + "Access/permission denied",
        FAILED + "No partition specified or system default partition",
        FAILED + "Node count specification invalid",
        FAILED + "CPU count specification invalid",
        FAILED + "More processors requested than permitted",
        FAILED + "Memory required by task is not available",
        "sbatch: error: QOSMaxWallDurationPerJobLimit\n" + POLICY,
        "sbatch: error: AssocMaxGRESPerJob\n" + POLICY,
        "sbatch: error: Invalid --signal specification",
        "Invalid time specification (pos=0): x\nsbatch: error: Invalid --begin specification",
        "sbatch: unrecognized option '--foo'\nTry \"sbatch --help\" for more information",  # codespell:ignore
        "/bin/sh: 1: sbatch: not found",
        "The given account nosuch appears to be invalid. Available accounts:\nlab1",
    ],
    Answer.PASSING: [
        "sbatch: error: AssocMaxSubmitJobLimit\n" + POLICY,
        "sbatch: error: AssocGrpSubmitJobsLimit\n" + POLICY,
        "sbatch: error: QOSMaxSubmitJobPerUserLimit\n" + POLICY,
        "sbatch: error: QOSGrpSubmitJobsLimit\n" + POLICY,
        "sbatch: error: MaxSubmitJobsPerAccount\n" + POLICY,
        FAILED + "Required partition not available (inactive or drain)",
        FAILED + "Required node not available (down, drained or reserved)",
        FAILED + "Partition in DOWN state",
        FAILED + "Requested partition configuration not available now",
        FAILED + "Requested nodes are busy",
        FAILED + "Unable to create job record, try again",
        FAILED + "Resource temporarily unavailable",
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n"
        + FAILED
        + "Resource temporarily unavailable",
        FAILED + "Requested reservation not usable now",
        FAILED + "I/O error writing script/environment to file",
        FAILED + "System submissions disabled",
    ],
    Answer.UNANSWERED: [
        FAILED + "Socket timed out on send/recv operation",
        FAILED + "Unable to contact slurm controller (connect failure)",
        FAILED + "Unable to contact slurm controller (receive failure)",
        FAILED + "Zero Bytes were transmitted or received",
        FAILED + "Unexpected message received",
        FAILED + "Transport endpoint is not connected",
        FAILED + "Slurm backup controller in standby mode",
        FAILED + "Communication connection failure",
        FAILED + "Connection refused",
        FAILED + "Connection timed out",
        FAILED + "Invalid authentication credential",
        FAILED + "Message receive failure",
        "sbatch: error: If munged is up, restart with --num-threads=10\nsbatch: error: Munge encode failed: Failed to access socket\n"
        + FAILED
        + "Protocol authentication error",
        "sbatch: error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host\nsbatch: error: fetch_config: DNS SRV lookup failed\n"
        "sbatch: fatal: Could not establish a configuration source",
        "Failed to run sinfo for retrieval of cluster partitions: slurm_load_partitions: Unable to contact slurm controller",
    ],
    Answer.UNKNOWN: [FAILED + "Unspecified error", POLICY, "", "Killed"],
}


@pytest.mark.parametrize(("text", "answer"), [(text, answer) for answer, texts in TEXTS.items() for text in texts])
def test_a_text_has_one_meaning_whatever_the_site_prints_around_it(text, answer):
    assert classify_refusal(text) is answer
    if text.startswith("sbatch: error:"):
        banner = "* Access without permission is not permitted. Jobs over 24 hours are invalid. Session timed out after 5 min. *\n"
        assert classify_refusal(banner + text + "\n" + banner) is answer


@pytest.mark.parametrize(
    ("text", "resources", "named"),
    [
        (TEXTS[Answer.PERMANENT][0], {"slurm_partition": "nosuch"}, ["slurm_partition: nosuch", "sinfo"]),
        (
            FAILED + "Invalid account or account/partition combination specified",
            {"slurm_account": "me"},
            ["slurm_account: me"],
        ),
        (FAILED + "Invalid qos specification", {"qos": "gold"}, ["qos: gold", "sacctmgr show qos"]),
        (
            FAILED + "Requested node configuration is not available",
            {"gpu_model": "h100", "gpu": 1},
            ["gpu_model: h100"],
        ),
        (
            FAILED + "Requested time limit is invalid (missing or exceeds some limit)",
            {"runtime": 9},
            ["walltime_cap", "runtime: 9"],
        ),
        ("sbatch: error: QOSMaxWallDurationPerJobLimit\n" + POLICY, {"qos": "x"}, ["qos: x"]),
        ("sbatch: error: AssocMaxWallDurationPerJobLimit\n" + POLICY, {"runtime": 9}, ["walltime_cap"]),
        (FAILED + "Invalid feature specification", {"constraint": "a80"}, ["constraint: a80"]),
        ("sbatch: error: Invalid --signal specification", {"slurm_extra": "--signal=x"}, ["slurm_extra: --signal=x"]),
        (FAILED + "Unspecified error", {}, ["Unspecified error", "slurm_partition"]),
    ],
)
def test_a_permanent_refusal_names_the_line_to_change(text, resources, named):
    message = explain_refusal(text, "score", resources)
    assert all(words in message for words in [*named, "slurm/config.yaml", "score"])
