"""A run of thousands of jobs is planned in seconds, has few files per folder, and needs for one seed only that seed's scores."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from dry_run import count_jobs, dry_run, prepare

from diffzero.config import load_run
from diffzero.workflow.experiment import Experiment

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def big(tmp_path_factory) -> Path:
    """Return a copy of the repository with a run of the paper's data sets and the scenes, eight models and three seeds."""
    return prepare(tmp_path_factory.mktemp("big"))


def count_score_jobs(root: Path) -> int:
    """Return the number of shards of all scorings."""
    experiment = Experiment(load_run(yaml.safe_load((root / "big.yaml").read_text()), root, where="big.yaml"), root)
    return sum(map(experiment.shard_count, experiment.scorings.values()))


def measured_dry_run(root: Path, *arguments: str) -> tuple[str, int]:
    """Return the output of a dry run and its peak memory in KiB.

    It runs below a process of its own: the peak of all children of this process includes those of other tests.
    """
    code = (
        "import resource, sys; from pathlib import Path; from dry_run import dry_run; "
        "print(dry_run(Path(sys.argv[1]), *sys.argv[2:])); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    path = os.pathsep.join(map(str, (ROOT / "benchmarks", ROOT / "src")))
    command = [sys.executable, "-c", code, str(root), *arguments]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    output, _, peak = done.stdout.rstrip("\n").rpartition("\n")
    return output, int(peak)


def test_the_run_has_thousands_of_jobs_and_planning_it_takes_little_memory(big):
    output, peak_kib = measured_dry_run(big, "--quiet=rules")
    found = count_jobs(output)
    assert found["score"] == count_score_jobs(big) and found["replay_scores"] == 8 * 3 * 15, found
    # benchmarks/dry_run.py measures the time: 3 ms per job.
    assert 4000 < found["total"] < 6000
    assert peak_kib < 2 * 2**20


def test_a_third_of_the_run_has_a_third_of_the_jobs_and_every_folder_has_few_files(big):
    output = dry_run(big, "scores", "--batch", "scores=1/3")
    shards = re.findall(r"Score (\S+) with (\S+), seed (\d), (\S+), shard", output)
    assert len(shards) == pytest.approx(count_score_jobs(big) / 3, rel=0.01)
    assert max(Counter(shards).values()) <= 150


def test_predictions_of_a_seed_need_only_the_scores_of_that_seed(big):
    race = "shared-ttest-20-2000-0.002-heuristic-7"
    output = dry_run(big, f"results/paper/predictions/model-0/mnist/seed1/{race}/heuristic-7.parquet")
    assert set(re.findall(r"Score mnist with model-0, seed (\d)", output)) == {"1"}
