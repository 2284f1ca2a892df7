"""`python -m diffzero.classify`: a ranking and a picture, or one clear line."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffzero.images import png

SRC = Path(__file__).parent.parent / "src"
MODEL = "kind: diffusion\ntitle: tiny\nlicence: MIT\nsize: 32\ndtype: float32\npath: {path}\n"
GOOD = {"image": "photo.png", "prompts": "a sneaker, a bag,an ankle boot", "model": "tiny"}
BAD = {  # what is wrong, and the words that the one line must hold
    "no such image": ({"image": "nowhere.png"}, ("nowhere.png", "make classify")),
    "undecodable": ({"image": "broken.png"}, ("broken.png", "cannot be decoded")),
    "one prompt": ({"prompts": "a sneaker,"}, ("at least two", "a sneaker")),
    "the same prompt twice": ({"prompts": "a bag,a bag"}, ("'a bag' twice",)),
    "too long": ({"prompts": "a bag," + "very " * 60 + "long"}, ("tokens", "expected at most 24")),
    "unknown model": ({"model": "tinny"}, ("unknown model 'tinny'", "Did you mean 'tiny'?")),
    "a CLIP model": ({"model": "clip"}, ("kind clip", "expected a diffusion model")),
    "no weights": ({"model": "empty"}, ("no checkpoint there",)),
}


def start(root: Path, changes: dict[str, str]) -> subprocess.CompletedProcess:
    values = {**GOOD, **changes}
    options = [word for name, value in values.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", "diffzero.classify", *options, "--max-scores", "30", "--out", "out/race"]
    environment = {**os.environ, "PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny_sd):
    """Every command, run once, two at a time."""
    root = tmp_path_factory.mktemp("root")
    (root / "config" / "models").mkdir(parents=True)
    (root / "config" / "models" / "tiny.yaml").write_text(MODEL.format(path=tiny_sd))
    (root / "config" / "models" / "empty.yaml").write_text(MODEL.format(path="nothing/here"))
    clip = "kind: clip\ntitle: c\nlicence: MIT\narchitecture: local-dir:nothing\n"
    (root / "config" / "models" / "clip.yaml").write_text(clip)
    picture = png(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    (root / "photo.png").write_bytes(picture)
    (root / "renamed.png").write_bytes(picture)
    (root / "broken.png").write_bytes(picture[: len(picture) // 2])
    changes = {"good": {}, "renamed": {"image": "renamed.png"}, **{name: change for name, (change, _) in BAD.items()}}
    with ThreadPoolExecutor(2) as pool:
        done = dict(zip(changes, pool.map(lambda change: start(root, change), changes.values()), strict=True))
    return root, done


def test_the_ranking_is_printed_best_first_and_the_picture_written(runs):
    root, done = runs
    assert done["good"].returncode == 0, done["good"].stderr
    lines = done["good"].stdout.splitlines()
    assert lines[1].endswith("best") and all("[" in line for line in lines[2:4])
    assert {line.split("  ")[0].strip() for line in lines[1:4]} == {"a sneaker", "a bag", "an ankle boot"}
    calls = int(next(line for line in lines if "calls of the denoiser" in line).split()[0])
    draws = [int(line.split("  best")[0].split("+")[0].split()[-1]) for line in lines[1:4]]
    assert sum(draws) == calls and max(draws) == draws[0] <= 30 and min(draws) >= 20
    assert "out/race.png" in lines[-1]
    with Image.open(root / "out" / "race.png") as image:
        assert min(image.size) > 200
    assert (root / "out" / "race.svg").is_file()


def test_the_result_depends_on_the_picture_not_on_its_name(runs):
    _, done = runs
    assert done["renamed"].stdout == done["good"].stdout


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_told_in_one_clear_line(runs, case):
    _, done = runs
    error = done[case].stderr.strip().splitlines()
    assert done[case].returncode not in (0, None) and not done[case].stdout
    assert len([line for line in error if line.startswith("diffzero: ")]) == 1 and error[-1].startswith("diffzero: ")
    assert "Traceback" not in done[case].stderr
    assert all(words in error[-1] for words in BAD[case][1]), error[-1]
