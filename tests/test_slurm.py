"""`snakemake --profile slurm` on a real SLURM: the chain, its interruptions, and the plugin's faults.

Skipped where there is none, and only there: with DIFFZERO_NEEDS_SLURM=1, as in .ci/run, a machine without SLURM fails.
"""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from slurm.cluster import Cluster, missing

ROOT = Path(__file__).parent.parent
CONFIG = "tests/slurm/config.yaml"
TABLE = "results/slurm/tables/table1.csv"  # the whole chain; the other tables and figures would be more jobs of the same kind
FLUSH = 256
QUICK = ["--slurm-init-seconds-before-status-checks", "2", "--configfile", CONFIG]
WHY_NOT = missing()
if WHY_NOT and not os.environ.get("DIFFZERO_NEEDS_SLURM"):
    pytest.skip(f"the tests on a real SLURM are left out: {WHY_NOT}", allow_module_level=True)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    assert WHY_NOT is None, WHY_NOT
    running = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        running.up()
        yield running
    finally:
        running.down()


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return kept | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "DIFFZERO_SLURM_PATIENCE": "240"}


class Work:
    """A working copy with everything ready for the score jobs, and what a run of it without SLURM gave."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder, self.store = root, root / "results" / "slurm", root / "results" / "store"
        names = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        for name in names:
            if (ROOT / name).is_file() and not name.startswith(("docs/", "benchmarks/")):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, root / name)
        local = self.start("--cores", "1", "--configfile", CONFIG, profile=False)
        assert local.wait(600) == 0, self.log()
        self.expected = self.results()
        self.clean()

    def start(self, *arguments: str, profile: bool = True, **settings: str) -> subprocess.Popen:
        """Snakemake; what it says is in `log()`."""
        command = [sys.executable, "-m", "snakemake", TABLE, *(["--profile", "slurm"] if profile else []), *arguments]
        with (self.root / "said.txt").open("w") as said:
            return subprocess.Popen(
                command, cwd=self.root, env=environment() | settings, stdout=said, stderr=said, start_new_session=True
            )

    def log(self) -> str:
        return (self.root / "said.txt").read_text()

    def clean(self) -> None:
        """Forget all scores and what was made from them."""
        for name in ("scores", "predictions", "tables"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        shutil.rmtree(self.store, ignore_errors=True)

    def results(self) -> dict[str, bytes]:
        """Predictions and score tables byte for byte, and the table without the column that is a measured time."""
        found = {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.glob("predictions/**/*.parquet")
        }
        found |= {
            str(path.relative_to(self.folder)): path.read_bytes() for path in self.folder.glob("scores/**/*.parquet")
        }
        table = pd.read_csv(self.folder / "tables" / "table1.csv", dtype=str).drop(columns="seconds")
        return found | {"table1": table.to_csv().encode()}

    def chunks(self) -> list[pd.DataFrame]:
        return [pd.read_parquet(io.BytesIO(path.read_bytes())) for path in self.store.glob("*/*.parquet")]

    def costs(self) -> list[dict]:
        return [json.loads(path.read_text()) for path in self.folder.glob("scores/**/*.json")]

    def stored(self) -> tuple[int, int]:
        """Scores in the store, and how many of them are there a second time."""
        frames = self.chunks()
        scores = pd.concat(frames) if frames else pd.DataFrame(columns=["image", "prompt", "draw"])
        return len(scores), int(scores.duplicated(["image", "prompt", "draw"]).sum())


@pytest.fixture(scope="module")
def work(tmp_path_factory, cluster) -> Work:
    return Work(tmp_path_factory.mktemp("work"))


@pytest.fixture(autouse=True)
def nothing_left(cluster, work):
    """Every test starts on an empty cluster and an empty store."""
    cluster.run("scancel", "--user", "root", check=False)
    wait_for(lambda: not jobs(cluster), 60)
    cluster.wait_idle()
    work.clean()
    unlock = [sys.executable, "-m", "snakemake", "--unlock", "--configfile", CONFIG]
    subprocess.run(unlock, cwd=work.root, env=environment(), capture_output=True, timeout=120)


def wait_for(condition: Callable[[], bool], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.3)


def jobs(cluster: Cluster, rule: str = "", state: str = "") -> list[str]:
    """Numbers of the jobs in the queue, of a rule and in a state if given."""
    lines = cluster.run("squeue", "-h", "-o", "%i %T %k", check=False).splitlines()
    split = [line.split(None, 2) for line in lines]
    return [
        number for number, found, comment, *_ in split if comment.startswith(f"rule_{rule}") and state in ("", found)
    ]


def in_the_middle(cluster: Cluster, work: Work, snakemake: subprocess.Popen, chunks: int = 2) -> list[str]:
    """The score jobs, once all run and have stored something but are not done."""

    def ready() -> bool:
        assert snakemake.poll() is None, work.log()[-3000:]
        return len(jobs(cluster, "score", "RUNNING")) == 2 and len(list(work.store.glob("*/*.parquet"))) >= chunks

    wait_for(ready)
    return jobs(cluster, "score", "RUNNING")


def ended(
    cluster: Cluster, work: Work, snakemake: subprocess.Popen, case: str, killed: int, lost_at_most: int, submitted: int
) -> None:
    """The run ends well, with the results of one that nobody disturbed, and hardly a score twice."""
    assert snakemake.wait(600) == 0, work.log()[-5000:]
    same = work.results() == work.expected
    total, twice = work.stored()
    scored = sum(cost["calls"] + cost["reused"] for cost in work.costs())
    log = work.root.parent / "interruptions.tsv"
    with log.open("a") as file:
        file.write(f"{case}\t{killed}\t{twice}\t{lost_at_most}\t{scored}\t{'yes' if same else 'no'}\t{submitted}\n")
    print(log.read_text())
    assert same
    assert twice == 0 and total == scored == 8 * 10 * 60
    assert "Cost so far" in work.log() and "--profile slurm" in work.log()
    assert not list(work.folder.glob("scores/**/*.lease"))


def submissions(log: str) -> int:
    return log.count("has been submitted with SLURM jobid")


def test_the_chain_runs_as_the_profile_stands_and_gives_what_a_local_run_gives(cluster, work):
    shutil.rmtree(work.folder)
    run = work.start(*QUICK)
    wait_for(lambda: bool(jobs(cluster, "score", "RUNNING")) or run.poll() is not None)
    asked = [job for job in cluster.run("scontrol", "show", "job", "-o").splitlines() if "Comment=rule_score" in job]
    assert asked and all("TresPerJob=gres:gpu:1" in job and "Partition=gpu" in job for job in asked), asked
    ended(cluster, work, run, "none", 0, 0, 0)
    log = work.log()
    # Downloads run here; crops, text and tables on CPU nodes.
    assert submissions(log) == 7
    for name in ("weights", "dataset"):
        assert f"rule_{name}/" not in log
    assert not list((work.root / "logs" / "slurm").glob("rule_weights*"))


def test_walltime_stores_what_is_scored_and_the_next_attempt_continues(cluster, work):
    run = work.start(*QUICK, "--set-resources", "score:slurm_extra=--signal=TERM@5", "--config", "flush_calls=100000")
    wait_for(lambda: len(jobs(cluster, "score", "RUNNING")) == 2)
    wait_for(
        lambda: "calls/s" in "".join(path.read_text() for path in work.root.glob("logs/slurm/rule_score/**/*.log"))
    )
    killed = jobs(cluster, "score", "RUNNING")
    for number in killed:
        cluster.run("scancel", "--signal=TERM", number)  # what SLURM sends a while before the limit
    ended(cluster, work, run, "SIGTERM, as before the walltime", len(killed), 0, 0)
    assert submissions(work.log()) > 4
    assert sum(cost["reused"] for cost in work.costs()) > 0, (
        "with so long a flush interval, only SIGTERM has stored anything"
    )


def test_scancel_of_running_jobs(cluster, work):
    run = work.start(*QUICK)
    killed = in_the_middle(cluster, work, run)
    cluster.run("scancel", *killed)
    ended(cluster, work, run, "scancel", len(killed), FLUSH * len(killed), 0)
    assert sum(cost["reused"] for cost in work.costs()) > 0


def test_requeue(cluster, work):
    run = work.start(*QUICK)
    killed = in_the_middle(cluster, work, run)
    cluster.run("scontrol", "requeue", killed[0])
    ended(cluster, work, run, "requeue", 1, FLUSH, 0)
    assert submissions(work.log()) == 4, "the same SLURM job ran again"


def test_a_killed_snakemake_started_again_waits_for_the_jobs_it_left_behind(cluster, work):
    run = work.start(*QUICK)
    left = in_the_middle(cluster, work, run)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    refused = work.start(*QUICK)
    assert refused.wait(120) == 1 and "--unlock" in work.log(), "the lock of the killed one is there"
    assert work.start(*QUICK, "--unlock").wait(120) == 0
    again = work.start(*QUICK)
    wait_for(lambda: "jobs of an earlier run" in work.log(), 60)
    assert all(number in work.log() for number in left) and "scancel" in work.log()
    ended(cluster, work, again, "SIGKILL of snakemake, same command", 0, 0, 0)
    assert submissions(work.log()) == 2, "predictions and table: the shards were not submitted again"


def test_two_snakemakes_that_submit_the_same_shards_score_them_once(cluster, work):
    """--nolock and a wait that does not see the other's jobs: the lease of each shard is the last line."""
    run = work.start(*QUICK)
    first = in_the_middle(cluster, work, run)
    script = [
        sys.executable,
        "-m",
        "snakemake",
        TABLE,
        "--cores",
        "2",
        "--configfile",
        CONFIG,
        "--nolock",
        "--rerun-incomplete",
    ]
    other = subprocess.run(script, cwd=work.root, env=environment(), capture_output=True, text=True, timeout=400)
    assert other.returncode == 0, other.stderr[-3000:]
    assert run.wait(300) == 0, work.log()[-3000:]
    assert len(first) == 2 and work.results() == work.expected
    assert work.stored() == (8 * 10 * 60, 0)


@pytest.mark.parametrize("away", [10, 75])
def test_a_controller_that_is_away(cluster, work, away):
    run = work.start(*QUICK)
    in_the_middle(cluster, work, run)
    cluster.stop_controller()
    time.sleep(away)
    assert run.poll() is None, work.log()[-3000:]
    cluster.start_controller()
    ended(cluster, work, run, f"slurmctld away for {away} s", 0, 0, 0)
    assert submissions(work.log()) == 4


def test_a_node_that_fails(cluster, work):
    run = work.start(*QUICK)
    in_the_middle(cluster, work, run)
    cluster.stop_node("n2")
    cluster.run("scontrol", "update", "nodename=n2", "state=down", "reason=power")
    wait_for(lambda: len(jobs(cluster, "score", "RUNNING")) <= 1, 60)
    cluster.start_node("n2")
    cluster.run("scontrol", "update", "nodename=n2", "state=resume", check=False)
    ended(cluster, work, run, "node fails", 1, FLUSH, 0)


def test_jobs_that_the_plugin_loses_end_in_a_message_and_the_same_command_goes_on(cluster, work):
    run = work.start(*QUICK, "--slurm-status-attempts", "1", DIFFZERO_SLURM_PATIENCE="20")
    in_the_middle(cluster, work, run)
    cluster.stop_controller()
    time.sleep(40)
    cluster.start_controller()
    assert run.wait(300) != 0
    assert "lost sight" in work.log() and "Type the same command again" in work.log(), work.log()[-3000:]
    ended(cluster, work, work.start(*QUICK), "plugin loses its jobs", 0, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--slurm-status-command", "sacct"], "expected 'squeue'"),
        (["--slurm-array-jobs", "score"], "deletes the output"),
        (["--slurm-init-seconds-before-status-checks", "200"], "slurm-init-seconds-before-status-checks: 100"),
    ],
    ids=["sacct", "arrays", "polls too rarely"],
)
def test_settings_with_which_the_plugin_fails_are_refused(cluster, work, arguments, words):
    run = work.start("--configfile", CONFIG, *arguments)
    assert run.wait(120) == 1
    assert words in work.log() and "Traceback" not in work.log() and not jobs(cluster)


def test_a_job_that_can_never_start_ends_the_run_with_a_message(cluster, work):
    run = work.start(*QUICK, "--set-resources", "score:runtime=5000")
    assert run.wait(300) != 0
    assert "can never start" in work.log() and "walltime_cap" in work.log(), work.log()[-3000:]
    wait_for(lambda: not jobs(cluster), 60)


def test_without_a_controller_the_run_says_so(cluster, work):
    cluster.stop_controller()
    try:
        run = work.start(*QUICK)
        assert run.wait(200) == 1
        assert "Does `sinfo` work here?" in work.log() and "Traceback" not in work.log(), work.log()[-3000:]
    finally:
        cluster.start_controller()
        cluster.wait_idle()


def test_a_failed_job_names_a_log_that_exists_and_says_why(cluster, work):
    run = work.start(*QUICK, "--retries", "0", "--config", "device=cuda:7")
    assert run.wait(300) == 1
    named = [
        line.split("log:")[1].split("(")[0].strip()
        for line in work.log().splitlines()
        if line.strip().startswith("log:")
    ]
    assert any((work.root / name).is_file() and "cuda" in (work.root / name).read_text().lower() for name in named), (
        work.log()[-3000:]
    )
    assert "not finished. Cost so far" in work.log()
