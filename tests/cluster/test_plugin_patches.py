"""The patched plugin: how it interprets the answers of squeue, and how often it queries."""

import asyncio
import dataclasses
import logging
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import snakemake_executor_plugin_slurm as plugin

from diffzero.cluster.slurm import plugin_patches, queue
from diffzero.cluster.slurm.patch_versions import lost_promises, split_patches

HERE = Path(__file__).parent
RUN_ID = "diffzero_01234567-89ab-cdef-0123-456789abcdef"


class Unlimited:
    async def __aenter__(self):
        pass

    async def __aexit__(self, *_):
        pass


class Executor(plugin.Executor):
    """The plugin's executor without a workflow; it records the jobs that it reports as failed."""

    status_rate_limiter = Unlimited()

    def __init__(self) -> None:
        self.logger, self.run_uuid, self.reported = logging.getLogger(__name__), RUN_ID, []
        self._next_seconds_between_status_checks, self._preemption_warning = 40, False
        self._status_query_calls, self._status_query_failures, self._status_query_cycle_rows = 0, 0, []
        self._status_query_total_seconds, self._status_query_min_seconds, self._status_query_max_seconds = 0, None, 0
        settings = {"init_seconds_before_status_checks": 40, "status_attempts": 2, "status_command": "squeue"}
        self.workflow = SimpleNamespace(executor_settings=SimpleNamespace(**settings, keep_successful_logs=True))

    def report_job_error(self, job, **_) -> None:
        self.reported.append(job.external_jobid)

    def query(self, *jobs: SimpleNamespace) -> list[str]:
        """Query the queue once; return the jobs for which the plugin continues to wait."""

        async def active() -> list[str]:
            return [job.external_jobid async for job in self.check_active_jobs(list(jobs))]

        return asyncio.run(active())


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """Return a file whose content a fake squeue prints; a fake scontrol has a MinJobAge of 120 s."""
    queue_file = tmp_path / "queue"
    for name, text in (("squeue", f'cat "{queue_file}"'), ("scontrol", "echo 'MinJobAge = 120 sec'")):
        (tmp_path / name).write_text(
            f'#!/bin/sh\n[ "{name}" = scontrol ] || printf "%s\\n" "$*" > "{tmp_path}/arguments"\n{text}\n'
        )
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    # Restores what the patches replace after each test.
    monkeypatch.setattr(plugin, "get_min_job_age", plugin.get_min_job_age)
    monkeypatch.setattr(plugin, "query_job_status", plugin.query_job_status)
    pause = plugin.Executor.next_seconds_between_status_checks
    monkeypatch.setattr(plugin.Executor, "next_seconds_between_status_checks", pause)
    return queue_file


JOB = SimpleNamespace(external_jobid="7", aux={})


def test_the_plugin_queries_three_times_before_slurm_forgets_a_job(squeue):
    squeue.write_text("7|RUNNING\n")
    age = queue.find_min_job_age()
    plugin_patches.patch_min_job_age(age)
    plugin_patches.patch_max_poll_interval(age // 3)
    executor, pauses = Executor(), []
    for _ in range(20):
        assert executor.query(JOB) == ["7"]
        pauses.append(executor.next_seconds_between_status_checks)
    assert age == 120 and max(pauses) == 40


@pytest.mark.parametrize("state", ["PREEMPTED", "REVOKED"])
def test_a_job_that_stays_preempted_is_reported_and_one_that_returns_is_not(squeue, state):
    plugin_patches.patch_preempted_jobs()
    executor = Executor()
    for states, waited_for in ((state, ["7"]), ("PENDING", ["7"]), (state, ["7"]), (state, [])):
        squeue.write_text(f"7|{states}\n")
        assert executor.query(JOB) == waited_for
    assert executor.reported == ["7"]


def test_queries_that_fail_at_once_do_not_use_up_the_attempts_at_once(squeue):
    (squeue.parent / "squeue").write_text("#!/bin/sh\nexit 1\n")
    plugin_patches.patch_preempted_jobs(query_seconds=0.5)
    before = asyncio.new_event_loop().time()
    Executor().query(JOB)
    assert asyncio.new_event_loop().time() - before >= 2 * 0.5


def line(state: str = "PENDING", reason: str = "(Resources)", name: str = RUN_ID, comment: str = "rule_score") -> str:
    return "\t".join(["7", state, name, comment, str(HERE), reason]) + "\n"


def test_jobs_of_a_folder_are_recognised_by_run_id_and_queried_by_user_number(squeue, monkeypatch):
    monkeypatch.setenv("LOGNAME", "somebody")
    squeue.write_text(line(comment="(null)") + line(name="rule_score") + line(name=RUN_ID.removeprefix("diffzero_")))
    assert [job.comment for job in queue.list_jobs(HERE)] == ["(null)", "rule_score"]
    assert f"--user {os.getuid()}" in (squeue.parent / "arguments").read_text()
    assert queue.list_jobs(HERE.parent) == []


@pytest.mark.parametrize(
    ("state", "reason", "is_held", "is_unschedulable"),
    [
        ("PENDING", "(Resources)", False, False),
        ("PENDING", "(AssocGrpGRES)", False, False),
        ("PENDING", "(QOSMaxCpuPerUserLimit)", False, False),
        ("PENDING", "(launch failed requeued held)", True, False),
        ("PENDING", "(JobHeldAdmin)", True, False),
        ("REQUEUE_HOLD", "(JobHeldUser)", True, False),
        ("SPECIAL_EXIT", "(None)", True, False),
        ("PENDING", "(QOSMaxCpuPerJobLimit)", False, True),
        ("PENDING", "(QOSMaxGRESPerJob)", False, True),
        ("PENDING", "(AssocMaxMemPerJob)", False, True),
        ("PENDING", "(QOSMinGRES)", False, True),
        ("PENDING", "(PartitionTimeLimit)", False, True),
        ("RUNNING", "held-back-node", False, False),
    ],
)
def test_held_and_unschedulable_jobs_are_distinguished(squeue, state, reason, is_held, is_unschedulable):
    squeue.write_text(line(state, reason))
    jobs = queue.list_jobs(HERE)
    assert ("scontrol release 7" in (queue.find_held(jobs) or "")) == is_held
    assert ("can never start" in (queue.find_unschedulable(jobs) or "")) == is_unschedulable


def test_the_shortest_limit_of_several_partitions_counts(tmp_path, monkeypatch):
    (tmp_path / "sinfo").write_text("#!/bin/sh\nprintf '%s\\n' infinite 1-00:00:00 02:00:00\n")
    (tmp_path / "sinfo").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert queue.partition_time_limit("a,b,c") == 120


def test_every_patch_fits_the_installed_plugin_and_names_the_fault_that_it_corrects():
    fitting, others = split_patches(plugin_patches.PATCHES)
    assert fitting == list(plugin_patches.PATCHES) and not others
    assert lost_promises(others) is None
    assert all("github.com" in patch.upstream and patch.fault and patch.promise for patch in fitting)


@pytest.mark.parametrize("found", ["2.9.1", "3.0.0", "2.7.1"])
def test_with_another_version_no_patch_is_applied_and_the_run_says_what_it_cannot_promise(found):
    fitting, others = split_patches(plugin_patches.PATCHES, found)
    assert not fitting
    message = lost_promises(others, found)
    assert f"found snakemake-executor-plugin-slurm {found}" in message and "pip install" in message
    assert all(patch.promise in message and patch.upstream in message for patch in others)


def test_a_patch_is_checked_for_its_own_versions(monkeypatch):
    newer = dataclasses.replace(plugin_patches.QUERY_INTERVAL, versions=frozenset(["2.8", "2.9"]))
    fitting, others = split_patches([newer, plugin_patches.SUBMISSION], "2.9.0")
    assert (fitting, others) == ([newer], [plugin_patches.SUBMISSION])
    monkeypatch.delattr(plugin, "get_min_job_age")
    assert split_patches([plugin_patches.MIN_JOB_AGE])[1] == [plugin_patches.MIN_JOB_AGE], "a renamed function"
