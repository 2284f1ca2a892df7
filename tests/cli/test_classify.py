"""`python -m diffzero.cli.classify` prints a ranking and saves a figure, or exits with one line."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from PIL import Image

from diffzero.cli import classify
from diffzero.data.transforms import encode_png

SRC = Path(__file__).parents[2] / "src"
MODEL = "kind: diffusion\ntitle: tiny\nlicence: MIT\nresolution: 32\ndtype: float32\npath: {path}\n"
GOOD = {"image": "photo.png", "prompts": "a sneaker, a bag,an ankle boot", "model": "tiny", "max-scores": "30"}
GOOD |= {"out": "out/race"}
BAD = {  # mistake: the changed options, and the words that the message must contain
    "missing image": ({"image": "nowhere.png"}, ("nowhere.png: found no such file", "make classify")),
    "a directory": ({"image": "config"}, ("config: found a directory, expected an image",)),
    "not an image": ({"image": "words.png"}, ("image words.png: cannot be decoded (cannot identify image file)",)),
    "an empty file": ({"image": "empty.png"}, ("image empty.png: cannot be decoded",)),
    "no prompts": ({"prompts": ""}, ("prompts: found [], expected at least two", 'PROMPTS="a sneaker,a bag"')),
    "only separators": ({"prompts": " , ,"}, ("prompts: found []",)),
    "broken image": ({"image": "broken.png"}, ("broken.png", "cannot be decoded")),
    "one prompt": ({"prompts": "a sneaker,"}, ("at least two different", "a sneaker")),
    "one prompt, twice": ({"prompts": "a bag,a bag"}, ("found ['a bag', 'a bag']", "at least two different ones")),
    "one prompt in capitals": (
        {"prompts": "a bag,A BAG"},
        ("found ['a bag', 'A BAG']", "the same tokens for this model"),
    ),
    "no draws": ({"max-scores": "0"}, ("command line: 'max_scores': found 0", "greater than or equal to 2")),
    "one draw": ({"min-scores": "1"}, ("'min_scores': found 1", "greater than or equal to 2")),
    "max_scores below min_scores": ({"max-scores": "10"}, ("max_scores is 10", "at least min_scores, which is 20")),
    "cutoff_pval above one": ({"cutoff-pval": "5"}, ("'cutoff_pval': found 5.0", "less than 1")),
    "negative decay": ({"decay": "-5"}, ("'decay': found -5.0", "greater than or equal to 0")),
    "prompt too long": ({"prompts": "a bag," + "very " * 60 + "long"}, ("tokens", "expected at most 24")),
    "unknown model": ({"model": "tinny"}, ("unknown model 'tinny'", "Did you mean 'tiny'?")),
    "a CLIP model": ({"model": "clip"}, ("kind clip", "expected a diffusion model")),
    "no weights": ({"model": "empty"}, ("no checkpoint there",)),
}


def start(root: Path, changes: dict[str, str]) -> subprocess.CompletedProcess:
    options = [f"--{name}={value}" for name, value in {**GOOD, **changes}.items()]
    command = [sys.executable, "-m", "diffzero.cli.classify", *options]
    environment = {**os.environ, "PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def root(tmp_path_factory, tiny_sd) -> Path:
    """Return a directory with the models and images that the command needs."""
    root = tmp_path_factory.mktemp("root")
    (root / "config" / "models").mkdir(parents=True)
    (root / "config" / "models" / "tiny.yaml").write_text(MODEL.format(path=tiny_sd))
    (root / "config" / "models" / "empty.yaml").write_text(MODEL.format(path="nothing/here"))
    clip = "kind: clip\ntitle: c\nlicence: MIT\narchitecture: local-dir:nothing\n"
    (root / "config" / "models" / "clip.yaml").write_text(clip)
    image = encode_png(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    (root / "photo.png").write_bytes(image)
    (root / "renamed.png").write_bytes(image)
    (root / "broken.png").write_bytes(image[: len(image) // 2])
    (root / "words.png").write_text("a sneaker")
    (root / "empty.png").touch()
    return root


@pytest.fixture(scope="module")
def runs(root) -> dict[str, subprocess.CompletedProcess]:
    """Run the command in subprocesses, two at a time; of the mistakes, one before and one after the model is loaded."""
    changes = {
        "good": {},
        "renamed": {"image": "renamed.png"},
        "twice": {"prompts": "a bag,a sneaker,a bag,an ankle boot", "out": "out/twice"},
        "capitals": {"prompts": "a sneaker,a bag,A Bag,an ankle boot", "out": "out/capitals"},
        **{name: BAD[name][0] for name in ("unknown model", "prompt too long")},
    }
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(changes, pool.map(lambda change: start(root, change), changes.values()), strict=True))


def test_the_ranking_is_printed_best_first_and_the_figure_saved(root, runs):
    assert runs["good"].returncode == 0, runs["good"].stderr
    lines = runs["good"].stdout.splitlines()
    rows = [line.split(maxsplit=5) for line in lines[2:4]]
    assert lines[1].split()[0] == "winner" and all(row[1].startswith("[") for row in rows)
    assert {line.rsplit("  ", 1)[1] for line in lines[1:4]} == {"a sneaker", "a bag", "an ankle boot"}
    assert [float(row[0]) for row in rows] == sorted(float(row[0]) for row in rows)
    calls = int(next(line for line in lines if "calls of the denoiser" in line).split()[0])
    draws = [int(lines[1].split()[1]), *(int(row[3]) for row in rows)]
    assert sum(draws) == calls and max(draws) == draws[0] <= 30 and min(draws) >= 20
    assert "out/race.png" in lines[-1]
    with Image.open(root / "out" / "race.png") as image:
        assert min(image.size) > 200
    assert (root / "out" / "race.svg").is_file()


def test_the_result_depends_on_the_content_of_the_image_not_on_its_name(runs):
    assert runs["renamed"].stdout == runs["good"].stdout


def test_a_repeated_prompt_is_scored_once_and_reported(runs):
    assert runs["twice"].returncode == 0, runs["twice"].stderr
    lines, plain = (runs[name].stdout.splitlines() for name in ("twice", "good"))
    assert sorted(lines[1:4]) == sorted(plain[1:4]) and lines[4] == plain[4]
    assert lines[5] == "'a bag' was given 2 times and scored once"


def test_prompts_with_the_same_tokens_are_scored_once_and_reported(runs):
    assert runs["capitals"].returncode == 0, runs["capitals"].stderr
    lines, plain = (runs[name].stdout.splitlines() for name in ("capitals", "good"))
    assert lines[:5] == plain[:5]
    assert lines[5] == "'A Bag' has the same tokens as 'a bag' and was not scored again"


def classify_here(root, monkeypatch, **changes: str) -> None:
    monkeypatch.chdir(root)
    options = {**GOOD, "min-scores": "4", "max-scores": "6", **changes}
    classify.main([f"--{name}={value}" for name, value in options.items()])


def test_prompts_with_signs_of_formulas_and_other_scripts_are_ranked_and_drawn(root, monkeypatch, capsys):
    prompts = ["x$\\frac{$", "5$ and 6$", "猫", "_a^b"]
    classify_here(root, monkeypatch, prompts=",".join(prompts), out="out/signs")
    printed, svg = capsys.readouterr().out, (root / "out" / "signs.svg").read_text()
    assert all(prompt in printed and prompt in svg for prompt in prompts)


def test_a_figure_that_cannot_be_saved_does_not_cost_the_ranking(root, monkeypatch, capsys):
    with pytest.raises(SystemExit, match=r"^diffzero: the figure of the race could not be saved as photo.png/race.png"):
        classify_here(root, monkeypatch, out="photo.png/race")
    assert "calls of the denoiser" in capsys.readouterr().out


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_reported_in_one_line(root, case, monkeypatch, capsys):
    change, words = BAD[case]
    monkeypatch.chdir(root)
    with pytest.raises(SystemExit) as end:
        classify.main([f"--{name}={value}" for name, value in {**GOOD, **change}.items()])
    message = str(end.value)
    assert message.startswith("diffzero: ") and "\n" not in message and not capsys.readouterr().out
    assert all(word in message for word in words) and "_io." not in message, message


@pytest.mark.parametrize("case", ["unknown model", "prompt too long"])
def test_bad_input_exits_with_one_line_and_no_traceback(runs, case):
    done = runs[case]
    error = done.stderr.strip().splitlines()
    assert done.returncode == 1 and not done.stdout and "Traceback" not in done.stderr
    assert len([line for line in error if line.startswith("diffzero: ")]) == 1 and error[-1].startswith("diffzero: ")
    assert all(words in error[-1] for words in BAD[case][1]), error[-1]


def test_too_little_memory_for_one_call_is_reported_in_one_line(root, monkeypatch):
    def shortage(*_, **__):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.chdir(root)
    monkeypatch.setattr(UNet2DConditionModel, "forward", shortage)
    with pytest.raises(SystemExit, match="diffzero: memory: found too little for a single call of the network"):
        classify.main([f"--{name}={value}" for name, value in GOOD.items()])


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    "text",
    [
        'a 12" ruler,a bag',
        "a girl's shoe,a bag",
        "$(touch ran),a bag",
        "$(shell touch ran),`touch ran`",
        "$5,$PATH,a;b #c",
    ],
)
def test_make_passes_prompts_unchanged(tmp_path, text):
    """The recipe of the Makefile runs with a Python that prints its arguments."""
    shutil.copy(SRC.parent / "Makefile", tmp_path)
    (tmp_path / "bin").mkdir()
    echo = tmp_path / "bin" / "python"
    echo.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    echo.chmod(0o755)
    (tmp_path / "requirements.lock").touch()
    (tmp_path / "stamp").touch()
    command = ["make", "-s", "classify", "BIN=bin", "STAMP=stamp", f"IMAGE={text}.png", f"PROMPTS={text}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    words = ["-m", "diffzero.cli.classify", "--image", f"{text}.png", "--prompts", text, "--model", "mini-sd"]
    assert json.loads(done.stdout) == words and not (tmp_path / "ran").exists()
