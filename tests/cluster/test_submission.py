"""How a job is recognised in the queue, which kinds of jobs are tested, and who waits for whom when SLURM refuses."""

import dataclasses
import time

import pytest

from diffzero.cluster.slurm.identity import find_submitted_job, job_comment, parse_job_number
from diffzero.cluster.slurm.preflight import group_jobs
from diffzero.cluster.slurm.queue import Job
from diffzero.cluster.slurm.refusals import Answer
from diffzero.cluster.slurm.submission import FIRST_PAUSE, RefusedError, Submission, Submitter

RUN = "diffzero_01234567-89ab-cdef-0123-456789abcdef"


def job(number: str, comment: str = "rule_score_a", name: str = RUN, state: str = "PENDING") -> Job:
    return Job(number, state, name, comment, "/home/user/run", "(Priority)")


@pytest.mark.parametrize(
    ("output", "number"),
    [
        ("57\n", "57"),
        ("57;cluster\n", "57"),
        ("", None),
        ("Submitted batch job 57\n", None),
        ("Welcome to 2026\n57\n", None),
        ("2026\n57\n", None),
        ("57.5", None),
    ],
)
def test_only_a_number_alone_is_a_job_number(output, number):
    assert parse_job_number(output) == number


def test_the_job_of_an_unanswered_submission_has_the_name_and_comment_and_is_new():
    jobs = [
        job("9"),
        job("10"),
        job("11", "rule_score_b"),
        job("12", name="diffzero_other"),
        job("8", state="COMPLETED"),
    ]
    assert find_submitted_job(jobs, RUN, "rule_score_a", set()) == "10", "the newest, by number and not by text"
    assert find_submitted_job(jobs, RUN, "rule_score_a", {"10", "9"}) == "8", "it may have ended already"
    assert find_submitted_job(jobs, RUN, "rule_score_a", {"8", "9", "10"}) is None
    assert find_submitted_job(jobs, RUN, "rule_score_c", set()) is None
    refused = dataclasses.replace(job("13", "rule_score_c", state="FAILED"), reason="(BadConstraints)")
    assert find_submitted_job([refused], RUN, "rule_score_c", set()) is None, (
        "SLURM keeps a trace of a refused submission"
    )


def test_the_comment_distinguishes_outputs_that_the_plugins_comment_does_not():
    assert job_comment("rule_score_wildcards_a_b_c", ["a_b/c"]) != job_comment("rule_score_wildcards_a_b_c", ["a/b_c"])
    assert job_comment("rule_score_wildcards_a", ["a"]).startswith("rule_score_wildcards_a_")


def test_of_jobs_that_differ_in_time_and_memory_the_longest_and_the_largest_are_tested():
    options = "sbatch -p gpu -t {} --mem {} --gpus=1"
    requests = [("score", 5, 1000), ("score", 90, 2000), ("encode", 30, 9000)]
    jobs = [(rule, options.format(t, mem), {"runtime": t, "mem_mb": mem}) for rule, t, mem in requests]
    kinds = group_jobs([*jobs, ("table", "sbatch -p cpu -t 5 --mem 1000", {"runtime": 5, "mem_mb": 1000})])
    both = {"score", "encode"}
    expected = [(both, (90, 2000)), (both, (30, 9000)), ({"table"}, (5, 1000))]
    assert [(kind.rules, kind.request) for kind in kinds] == expected
    assert all(f"-t {kind.request[0]} --mem {kind.request[1]}" in kind.call for kind in kinds)


class Queue:
    """Submissions of which the first ones are refused; it records calls and ends of the run. tests/slurm has a real SLURM instead."""

    def __init__(self, answer: Answer, refusals: int) -> None:
        self.answer, self.refusals = answer, refusals
        self.calls: list[tuple[float, int]] = []
        self.ends: list[str] = []
        self.messages: list[str] = []
        self.submitter = Submitter(self.ends.append, self.messages.append, max_pause=0.2, patience=0.5)
        self.done: list[int] = []

    def submit(self, number: int, partition: str = "gpu") -> None:
        def run() -> None:
            self.calls.append((time.monotonic(), number))
            if partition == "gpu" and self.refusals > 0:
                self.refusals -= 1
                raise RefusedError("sbatch: error: AssocMaxSubmitJobLimit", self.answer)
            self.submitter.current.submission.number = str(number)
            self.done.append(number)

        submission = Submission(partition, "score", {}, RUN, f"rule_score_{number}")
        self.submitter.submit(number, submission, run, lambda: self.submit(number, partition))

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.ends and self.submitter.count_waiting():
            time.sleep(0.05)


def test_jobs_behind_a_refused_one_wait_without_a_call_and_others_do_not_wait():
    queue = Queue(Answer.PASSING, refusals=2)
    for number in range(5):
        queue.submit(number)
    queue.submit(5, partition="cpu")
    assert queue.done == [5] and len(queue.calls) == 2, "one refusal is enough for four jobs"
    assert queue.submitter.count_waiting() == 5 and not queue.messages
    queue.wait(10)
    assert queue.done == [5, 0, 1, 2, 3, 4] and not queue.ends
    assert (
        queue.messages == [message for message in queue.messages if "waiting" not in message]
        and len(queue.messages) == 1
    )
    assert "Jobs that wait for their submission: 5." in queue.messages[0]


def test_a_permanent_refusal_ends_the_run_once():
    queue = Queue(Answer.PERMANENT, refusals=9)
    for number in range(5):
        queue.submit(number)
    assert len(queue.ends) == 1 and len(queue.calls) == 1 and not queue.messages


def test_an_unknown_refusal_is_repeated_and_then_counts_as_permanent():
    queue = Queue(Answer.UNKNOWN, refusals=99)
    queue.submit(0)
    queue.wait(FIRST_PAUSE + 5)
    assert len(queue.ends) == 1 and 1 < len(queue.calls) < 10


def test_an_unknown_refusal_of_jobs_that_slurm_accepted_before_is_waited_for():
    queue = Queue(Answer.UNKNOWN, refusals=0)
    queue.submit(0)
    queue.refusals = 7
    queue.submit(1)
    queue.wait(FIRST_PAUSE + 5)
    assert queue.done == [0, 1] and not queue.ends


def test_a_controller_that_stays_away_ends_the_run_after_the_patience():
    queue = Queue(Answer.UNANSWERED, refusals=10**6)
    queue.submit(0)
    queue.wait(FIRST_PAUSE + 5)
    assert len(queue.ends) == 1 and "sinfo" in queue.ends[0]


def test_a_job_beside_the_reported_one_is_a_duplicate_unless_its_submission_is_in_progress():
    submitter = Queue(Answer.PASSING, 0).submitter
    submitter.run_name, submitter.known_numbers = RUN, {"rule_score_a": {"9"}}
    jobs = [job("9"), job("10"), job("11", "rule_score_b"), job("12", name="diffzero_other")]
    assert submitter.find_duplicates(jobs) == ["10"]
    submitter.submissions[0] = Submission("gpu", "score", {}, RUN, "rule_score_a")
    assert submitter.find_duplicates(jobs) == []
