"""Submission of a run's jobs: one job per output, whatever sbatch answers, and no attempt of a job used up by a refusal.

The plugin reports every failed sbatch as a failed job. Here, a refusal for good ends the run, a refusal that passes is waited for, and a
submission without an answer is looked up in the queue before it is repeated.
"""

import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from diffzero.cluster.slurm.identity import find_submitted_job, parse_job_number
from diffzero.cluster.slurm.queue import Job, SlurmError, parse_queue, query_slurm, queue_command
from diffzero.cluster.slurm.refusals import Answer, classify_refusal, explain_refusal, summarize_refusal

FIRST_PAUSE = 2.0  # seconds before the first repetition; every further pause is twice as long
SBATCH_TIMEOUT = 300.0  # seconds; sbatch itself gives up much earlier
# Seconds between the two queries that find no job. A controller that was overloaded may still work on a submission when it answers again.
SETTLE_SECONDS = 5.0
REPEATED_MESSAGE = 600.0  # seconds between two messages about the same refusal
MAX_UNKNOWN = 4  # submissions with an unknown refusal before it counts as permanent


class RefusedError(BaseException):
    """sbatch did not submit a job. Not an Exception: the plugin would report the job as failed."""

    def __init__(self, text: str, answer: Answer | None = None) -> None:
        super().__init__(text)
        self.text, self.answer = text, answer or classify_refusal(text)


class StoppedError(BaseException):
    """The run ends: nothing is submitted any more."""


@dataclass
class Submission:
    """The submissions of a job in one attempt."""

    key: str  # partition, account and QOS: a limit holds for all jobs that share them
    rule: str
    resources: Mapping[str, object]
    name: str = ""
    comment: str = ""
    may_be_queued: bool = False  # an earlier sbatch call had no answer
    unanswered_since: float | None = None
    unknown_answers: int = 0
    number: str | None = None  # of the job in the queue


@dataclass
class WaitingLine:
    """The jobs that wait because SLURM refused one of their kind; one of them is tried at a time."""

    jobs: deque[tuple[int, Callable[[], None]]] = field(default_factory=deque)
    probe: int | None = None
    pause: float = FIRST_PAUSE
    has_accepted: bool = False
    timer: threading.Timer | None = None


class Submitter:
    """Submits jobs in the threads of the plugin and repeats what SLURM refuses for now.

    Parameters
    ----------
    stop_run
        Called once, with the reason, when SLURM refuses a job for good.
    print_message
        Called when jobs start to wait, and every ten minutes while they do.
    max_pause
        The most seconds between two repetitions.
    patience
        Seconds without an answer of the controller after which the run ends.
    """

    def __init__(
        self,
        stop_run: Callable[[str], None],
        print_message: Callable[[str], None],
        max_pause: float = 60.0,
        patience: float = 3600.0,
    ) -> None:
        self.stop_run, self.print_message, self.max_pause, self.patience = stop_run, print_message, max_pause, patience
        self.submissions: dict[int, Submission] = {}
        self.lines: dict[str, WaitingLine] = {}
        self.known_numbers: dict[str, set[str]] = {}
        self.stopped, self.lock, self.current = threading.Event(), threading.RLock(), threading.local()
        self.last_messages: dict[str, float] = {}
        self.run_name: str | None = None

    def submit(self, job: int, new: Submission, run: Callable[[], None], enqueue: Callable[[], None]) -> None:
        """Submit a job or let it wait behind others that SLURM refuses.

        Parameters
        ----------
        job
            A number that identifies the job.
        new
            The description of the job, for its first submission in this attempt.
        run
            The plugin's submission, which calls `call_sbatch`.
        enqueue
            Calls this method again in a thread of the plugin.
        """
        with self.lock:
            submission = self.submissions.setdefault(job, new)
            self.run_name = submission.name
            line = self.lines.setdefault(submission.key, WaitingLine())
            is_probe = line.probe == job
            if self.stopped.is_set():
                return
            if line.jobs and not is_probe:
                line.jobs.append((job, enqueue))
                return
        self.current.submission = submission
        try:
            run()
        except StoppedError:
            return
        except RefusedError as refusal:
            self._handle(refusal, job, submission, line, enqueue)
        else:
            self._finish(job, submission, line)

    def call_sbatch(self, call: str, script: str | None) -> str:
        """Run an sbatch command line of the current thread's job and return the number of the job in the queue.

        Raises
        ------
        RefusedError
            If no job was submitted, as far as SLURM says.
        StoppedError
            If the run has ended.
        """
        submission: Submission = self.current.submission
        if submission.may_be_queued and (number := self._look_up(submission)):
            return self._remember(submission, number)
        if self.stopped.is_set():
            raise StoppedError
        try:
            done = subprocess.run(
                call,
                shell=True,
                text=True,
                input=script,
                capture_output=True,
                timeout=SBATCH_TIMEOUT,
                start_new_session=True,  # Ctrl-C in the terminal does not interrupt a submission
            )
        except subprocess.TimeoutExpired:
            submission.may_be_queued = True
            raise RefusedError(f"sbatch did not answer within {SBATCH_TIMEOUT:.0f} s", Answer.UNANSWERED) from None
        if done.returncode == 0 and (number := parse_job_number(done.stdout)):
            return self._remember(submission, number)
        submission.may_be_queued = True
        if done.returncode == 0:
            # A site prints words of its own around the number.
            if number := self._look_up(submission):
                return self._remember(submission, number)
            raise RefusedError(f"sbatch printed {done.stdout.strip()!r}, expected a job number", Answer.UNKNOWN)
        refusal = RefusedError(done.stderr.strip() or done.stdout.strip())
        # An unknown text may come from a wrapper around sbatch, after the submission.
        submission.may_be_queued = refusal.answer in (Answer.UNANSWERED, Answer.UNKNOWN)
        raise refusal

    def stop(self) -> None:
        """Submit nothing more; a submission in progress ends first."""
        with self.lock:
            self.stopped.set()
            for line in self.lines.values():
                if line.timer:
                    line.timer.cancel()

    def count_waiting(self) -> int:
        """Return the number of jobs that wait for their submission."""
        with self.lock:
            return sum(len(line.jobs) for line in self.lines.values())

    def find_duplicates(self, jobs: Sequence[Job]) -> list[str]:
        """Return the jobs in the queue that no submission of this run has reported, beside one that makes the same outputs."""
        with self.lock:
            in_progress = {submission.comment for submission in self.submissions.values()}
            return [
                job.number
                for job in jobs
                if job.name == self.run_name
                and job.comment not in in_progress
                and job.number not in self.known_numbers.get(job.comment, {job.number})
            ]

    def _look_up(self, submission: Submission) -> str | None:
        """Return the number of the job that an earlier call submitted; None if two queries in a row find none."""
        known = self.known_numbers.get(submission.comment, set())
        for last in (False, True):
            try:
                answer = query_slurm(*queue_command(), "--name", submission.name)
            except SlurmError as error:
                raise RefusedError(str(error), Answer.UNANSWERED) from None
            if number := find_submitted_job(parse_queue(answer), submission.name, submission.comment, known):
                return number
            if not last and self.stopped.wait(SETTLE_SECONDS):
                raise StoppedError
        return None

    def _remember(self, submission: Submission, number: str) -> str:
        self.known_numbers.setdefault(submission.comment, set()).add(number)
        submission.number = number
        return number

    def _finish(self, job: int, submission: Submission, line: WaitingLine) -> None:
        """Forget a job that was submitted, or that the plugin reported as failed, and try the next one of its line at once."""
        with self.lock:
            self.submissions.pop(job, None)
            if submission.number:
                line.has_accepted, line.pause = True, FIRST_PAUSE
            if line.probe == job:
                line.probe = None
                line.jobs.popleft()
                self._try_next(line)

    def _handle(
        self, refusal: RefusedError, job: int, submission: Submission, line: WaitingLine, enqueue: Callable[[], None]
    ) -> None:
        """End the run, or let the job wait and try again."""
        with self.lock:
            if self.stopped.is_set():
                return
            if message := self._reason_to_end(refusal, submission, line):
                self.stop()
                self.stop_run(message)
                return
            if line.probe == job:
                line.probe = None
            else:
                line.jobs.append((job, enqueue))
            if line.timer is None:
                line.timer = threading.Timer(line.pause, self._retry, (line, refusal))
                line.timer.daemon = True
                line.timer.start()
                line.pause = min(2 * line.pause, self.max_pause)

    def _reason_to_end(self, refusal: RefusedError, submission: Submission, line: WaitingLine) -> str | None:
        """Return the message that ends the run after a refusal; None if the job should wait."""
        answer = refusal.answer
        if answer is Answer.UNKNOWN and not line.has_accepted:
            submission.unknown_answers += 1
            answer = Answer.PERMANENT if submission.unknown_answers >= MAX_UNKNOWN else answer
        if answer is Answer.PERMANENT:
            return explain_refusal(refusal.text, submission.rule, submission.resources)
        if answer is not Answer.UNANSWERED:
            submission.unanswered_since = None
            return None
        now = time.monotonic()
        submission.unanswered_since = submission.unanswered_since or now
        if now - submission.unanswered_since < self.patience:
            return None
        return (
            f"SLURM has not answered for {self.patience:.0f} s ({summarize_refusal(refusal.text)}). "
            "Check that `sinfo` works here, then re-run the same command."
        )

    def _retry(self, line: WaitingLine, refusal: RefusedError) -> None:
        """Say why jobs wait, and try the first one of a line again."""
        with self.lock:
            line.timer = None
            if self.stopped.is_set():
                return
            is_unanswered = refusal.answer is Answer.UNANSWERED
            reason, now = summarize_refusal(refusal.text), time.monotonic()
            topic = Answer.UNANSWERED.name if is_unanswered else reason  # a controller is away with changing words
            if now - self.last_messages.get(topic, -REPEATED_MESSAGE) >= REPEATED_MESSAGE:
                self.last_messages[topic] = now
                what = "does not answer" if is_unanswered else "does not accept jobs at the moment"
                self.print_message(
                    f"SLURM {what}: {reason}. Jobs that wait for their submission: {self.count_waiting()}. "
                    "The run repeats it until SLURM accepts them."
                )
            self._try_next(line)

    def _try_next(self, line: WaitingLine) -> None:
        if line.jobs and line.probe is None and line.timer is None:
            line.probe, enqueue = line.jobs[0]
            with suppress(RuntimeError):  # the plugin has ended its threads
                enqueue()
