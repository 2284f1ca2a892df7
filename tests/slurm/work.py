"""A working copy on the test cluster: its processes, its results and its jobs in the queue."""

import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil
import pytest
from cluster import Cluster, missing

ROOT = Path(__file__).parent.parent.parent
CONFIG = "tests/slurm/config.yaml"
TABLE = "results/slurm/tables/table1.csv"  # needs all kinds of jobs; other tables and figures would only add jobs of the same kinds
FLUSH = 256
QUICK = ["--slurm-init-seconds-before-status-checks", "2", "--configfile", CONFIG]
WHY_NOT = missing()


def needs_slurm() -> None:
    """Skip the tests of a module if there is no SLURM, unless DIFFZERO_NEEDS_SLURM is set."""
    if WHY_NOT and not os.environ.get("DIFFZERO_NEEDS_SLURM"):
        pytest.skip(f"the tests on a real SLURM are skipped: {WHY_NOT}", allow_module_level=True)


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    # A short poll interval: otherwise a test would mostly wait for the plugin.
    return kept | {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "DIFFZERO_SLURM_IDLE_TIMEOUT": "240",
        "DIFFZERO_SLURM_POLL_INTERVAL": "3",
    }


class Work:
    """A working copy with all inputs of the score jobs, and the results of a run without SLURM."""

    def __init__(self, root: Path) -> None:
        self.root, self.run_dir, self.store = root, root / "results" / "slurm", root / "results" / "store"
        self.started: list[subprocess.Popen] = []
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

    def start(
        self, *arguments: str, profile: bool = True, more: str | None = None, **settings: str
    ) -> subprocess.Popen:
        """Start Snakemake for TABLE and the target `more`; `log()` returns its output."""
        targets = [TABLE, more] if more else [TABLE]
        command = [
            sys.executable,
            "-m",
            "snakemake",
            *targets,
            *(["--profile", "slurm"] if profile else []),
            *arguments,
        ]
        with (self.root / "said.txt").open("w") as said:
            self.started.append(
                subprocess.Popen(
                    command,
                    cwd=self.root,
                    env=environment() | settings,
                    stdout=said,
                    stderr=said,
                    start_new_session=True,
                )
            )
        return self.started[-1]

    def locks(self) -> list[Path]:
        """Return Snakemake's locks on the folder."""
        return list((self.root / ".snakemake" / "locks").glob("*"))

    def slurm_logs(self, rule: str) -> list[str]:
        """Return SLURM's logs of the jobs of a rule in this test."""
        return [path.read_text() for path in self.root.glob(f"logs/slurm/rule_{rule}/**/*.log")]

    def workers(self) -> list[psutil.Process]:
        """Return the processes that score."""
        scripts = f"{self.root}/.snakemake/scripts/"
        found = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if any(word.startswith(scripts) and word.endswith(".score.py") for word in words):
                found.append(process)
        return found

    def log(self) -> str:
        return (self.root / "said.txt").read_text()

    def clean(self) -> None:
        """Delete all scores and everything made from them."""
        for name in ("scores", "predictions", "tables", "samples"):
            shutil.rmtree(self.run_dir / name, ignore_errors=True)
        for directory in (self.store, self.root / "logs" / "slurm"):
            shutil.rmtree(directory, ignore_errors=True)

    def results(self) -> dict[str, bytes]:
        """Return predictions and score tables as bytes, and the table without its column of measured times."""
        found = {
            str(path.relative_to(self.run_dir)): path.read_bytes()
            for path in self.run_dir.glob("predictions/**/*.parquet")
        }
        found |= {
            str(path.relative_to(self.run_dir)): path.read_bytes() for path in self.run_dir.glob("scores/**/*.parquet")
        }
        table = pd.read_csv(self.run_dir / "tables" / "table1.csv", dtype=str).drop(columns="seconds")
        return found | {"table1": table.to_csv().encode()}

    def chunks(self) -> list[pd.DataFrame]:
        return [pd.read_parquet(io.BytesIO(path.read_bytes())) for path in self.store.glob("*/*.parquet")]

    def costs(self) -> list[dict]:
        return [json.loads(path.read_text()) for path in self.run_dir.glob("scores/**/*.json")]

    def stored(self) -> tuple[int, int]:
        """Return the number of scores in the store, and how many of them are duplicates."""
        frames = self.chunks()
        scores = pd.concat(frames) if frames else pd.DataFrame(columns=["image", "prompt", "draw"])
        return len(scores), int(scores.duplicated(["image", "prompt", "draw"]).sum())


def wait_for(condition: Callable[[], bool], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.3)


def jobs(cluster: Cluster, rule: str = "", state: str = "") -> list[str]:
    """Return the numbers of the jobs in the queue, of a rule and in a state if given."""
    lines = cluster.run("squeue", "-h", "-o", "%i %T %k", check=False).splitlines()
    split = [line.split(None, 2) for line in lines]
    return [
        number for number, found, comment, *_ in split if comment.startswith(f"rule_{rule}") and state in ("", found)
    ]


def in_the_middle(cluster: Cluster, work: Work, snakemake: subprocess.Popen, chunks: int = 2) -> list[str]:
    """Wait until both score jobs run and have stored some but not all scores; return their numbers."""

    def ready() -> bool:
        assert snakemake.poll() is None, work.log()[-3000:]
        return len(jobs(cluster, "score", "RUNNING")) == 2 and len(list(work.store.glob("*/*.parquet"))) >= chunks

    wait_for(ready)
    return jobs(cluster, "score", "RUNNING")


def ended(
    cluster: Cluster, work: Work, snakemake: subprocess.Popen, case: str, killed: int, lost_at_most: int, submitted: int
) -> None:
    """Check that the run succeeds with the results of an uninterrupted run and without duplicate scores."""
    assert snakemake.wait(900) == 0, work.log()[-5000:]
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
    assert not list(work.run_dir.glob("scores/**/*.lock"))


def submissions(log: str) -> int:
    return log.count("has been submitted with SLURM jobid")
