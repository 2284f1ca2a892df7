"""A run of thousands of jobs: few enough to plan in seconds, few files a folder, every job fed with its own seed's scores."""

import re
import resource
from collections import Counter
from pathlib import Path

import pytest
import yaml
from dry_run import count_jobs, dry_run, prepare

from diffzero.config import load_run
from diffzero.workflow.experiment import Experiment


@pytest.fixture(scope="module")
def big(tmp_path_factory) -> Path:
    """The paper's data sets and the scenes, eight models, three seeds, in shards as the paper's run has them."""
    return prepare(tmp_path_factory.mktemp("big"))


def score_jobs(root: Path) -> int:
    experiment = Experiment(load_run(yaml.safe_load((root / "big.yaml").read_text()), root, where="big.yaml"), root)
    return sum(map(experiment.shard_count, experiment.scorings.values()))


def test_thousands_of_jobs_are_few_enough_to_be_planned_in_seconds_and_take_little_memory(big):
    found = count_jobs(dry_run(big, "--quiet=rules"))
    assert found["score"] == score_jobs(big) and found["replay_scores"] == 8 * 3 * 15, found
    # 3 ms each: benchmarks/dry_run.py measures it.
    assert 4000 < found["total"] < 6000
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2 * 2**20


def test_a_third_of_a_batch_is_about_a_third_of_the_jobs_and_every_folder_is_small(big):
    said = dry_run(big, "scores", "--batch", "scores=1/3")
    shards = re.findall(r"Score (\S+) with (\S+), seed (\d), (\S+), shard", said)
    assert len(shards) == pytest.approx(score_jobs(big) / 3, rel=0.01)
    assert max(Counter(shards).values()) <= 100


def test_predictions_of_a_seed_come_from_that_seeds_scores(big):
    race = "shared-ttest-20-2000-0.002-heuristic-7"
    said = dry_run(big, f"results/paper/predictions/model-0/mnist/seed1/{race}/heuristic-7.parquet")
    assert set(re.findall(r"Score mnist with model-0, seed (\d)", said)) == {"1"}
