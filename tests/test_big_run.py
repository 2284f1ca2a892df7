"""A run of thousands of jobs: planned in seconds, few files a folder, every job fed with its own seed's scores."""

import re
import resource
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from diffzero.config import load_run
from diffzero.experiment import Experiment

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def big(tmp_path_factory) -> Path:
    """The paper's data sets, two more and the scenes, eight models, three seeds."""
    root = tmp_path_factory.mktemp("big")
    for name in ("rules", "workflow", "src", "config", "envs"):
        shutil.copytree(ROOT / name, root / name)
    shutil.copy(ROOT / "Snakefile", root)
    model = (root / "config" / "models" / "mini-sd.yaml").read_text()
    names = [f"model-{k}" for k in range(8)]
    for name in names:
        (root / "config" / "models" / f"{name}.yaml").write_text(model)
    config = yaml.safe_load((root / "config" / "config.yaml").read_text())
    config |= {"models": names, "seeds": [0, 1, 2], "datasets": [*config["datasets"], "fashion"]}
    config["shard_calls"] = 3_000_000  # as docs/cluster.md says of runs of this size
    # What names models of the paper's run one by one.
    config |= {key: [] for key in ("denoised", "efficiency", "unpruned", "variants", "samples")}
    (root / "big.yaml").write_text(yaml.safe_dump(config))
    return root


def score_jobs(root: Path) -> int:
    experiment = Experiment(load_run(yaml.safe_load((root / "big.yaml").read_text()), root, where="big.yaml"), root)
    return sum(map(experiment.shard_count, experiment.scorings.values()))


def dry_run(root: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "snakemake", "-n", "--configfile=big.yaml", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600, check=True).stdout


def test_the_plan_of_six_thousand_jobs_takes_seconds_and_little_memory(big):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = dry_run(big, "--quiet=rules")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", said, flags=re.MULTILINE))
    assert int(jobs["score"]) == score_jobs(big) > 6000 and int(jobs["predictions"]) == 8 * 3 * 16, jobs
    # Seconds of this process, not of a busy machine's clock; measured 23 on two loaded cores.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 40
    assert after.ru_maxrss < 2 * 2**20


def test_a_third_of_a_batch_is_about_a_third_of_the_jobs_and_every_folder_is_small(big):
    said = dry_run(big, "scores", "--batch", "scores=1/3")
    shards = re.findall(r"Score (\S+) with (\S+), seed (\d), (\S+), shard", said)
    assert len(shards) == pytest.approx(score_jobs(big) / 3, rel=0.01)
    assert max(Counter(shards).values()) < 100


def test_predictions_of_a_seed_come_from_that_seeds_scores(big):
    race = "shared-ttest-20-2000-0.002-heuristic-7"
    said = dry_run(big, f"results/paper/predictions/model-0/mnist/seed1/{race}/heuristic-7.parquet")
    assert set(re.findall(r"Score mnist with model-0, seed (\d)", said)) == {"1"}
