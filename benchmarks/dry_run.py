"""Time the dry run of a large run: the paper's 13 data sets, Cue-Conflict and the twenty binding tasks x 8 models x 3 seeds.

    .venv/bin/python benchmarks/dry_run.py [--max-calls-per-job N]

Prints the number of jobs, wall-clock seconds, CPU seconds and peak memory of `snakemake -n`.
"""

import argparse
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
# Keys that name models of the paper's run.
OF_SOME_MODELS = ("figure3_denoised", "figure2_efficiency", "full_scoring", "ablations", "figure6_samples")


def prepare(root: Path, **changes: object) -> Path:
    """Copy the workflow to `root` with eight models; big.yaml is the paper's configuration with `changes`."""
    for name in ("rules", "workflow", "src", "config", "envs"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", root)
    models = [f"model-{k}" for k in range(8)]
    for name in models:
        shutil.copy(root / "config" / "models" / "mini-sd.yaml", root / "config" / "models" / f"{name}.yaml")
    config = yaml.safe_load((root / "config" / "config.yaml").read_text())
    config |= {"models": models, "noise_seeds": [0, 1, 2], **{key: [] for key in OF_SOME_MODELS}, **changes}
    (root / "big.yaml").write_text(yaml.safe_dump(config))
    return root


def dry_run(root: Path, *arguments: str) -> str:
    """Return the output of `snakemake -n` in `root`."""
    command = [sys.executable, "-m", "snakemake", "-n", "--configfile=big.yaml", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600, check=True).stdout


def count_jobs(output: str) -> dict[str, int]:
    """Return the number of jobs per rule, and `total`, from the output of a dry run."""
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", output, flags=re.MULTILINE)}


def main() -> None:
    """Run the benchmark and print its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--max-calls-per-job", type=int, help="replaces the value of the paper's run")
    chosen = parser.parse_args().max_calls_per_job
    with tempfile.TemporaryDirectory() as root_dir:
        root = prepare(Path(root_dir), **({"max_calls_per_job": chosen} if chosen else {}))
        start = time.monotonic()
        found = count_jobs(dry_run(root, "--quiet=rules"))
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"{found['total']} jobs, {found['score']} of them score shards: {time.monotonic() - start:.1f} s, "
            f"{used.ru_utime + used.ru_stime:.1f} CPU s, {used.ru_maxrss / 1024:.0f} MB"
        )


if __name__ == "__main__":
    main()
