"""A prompt that a text encoder would truncate is refused before anything is computed with it, in every kind of job."""

from pathlib import Path

import pytest
import yaml

from workflow_copy import error_message, snakemake

RUN = {
    "name": "tiny",
    "models": ["mini-sd"],
    "baselines": ["mini-clip"],
    "datasets": ["mine"],
    "max_images": 2,
    "device": "cpu",
    "policy": {"kind": "full", "max_scores": 2},
    "figure6_samples": [{"model": "mini-sd", "dataset": "mine", "images_per_prompt": 1, "steps": 1}],
}


@pytest.mark.parametrize(
    "target",
    [
        "samples/mini-sd/mine.safetensors",
        "inputs/mini-sd/mine/text.safetensors",
        "baselines/mini-clip/mine/full-resolution.parquet",
    ],
)
def test_a_job_refuses_the_prompt_and_names_the_data_set(copy: Path, target: str) -> None:
    names = ["zero", *map(str, range(1, 9)), "nine " * 60 + "."]
    dataset = {
        "title": "Mine",
        "licence": "none",
        "classnames": names,
        "source_classnames": [str(number) for number in range(10)],
        "prompt_templates": ["a {}"],
        "source": {"kind": "digits"},
    }
    (copy / "config" / "datasets" / "mine.yaml").write_text(yaml.safe_dump(dataset))
    message = error_message(snakemake(copy, f"results/tiny/{target}", config=RUN))
    assert "PromptTooLongError: mine: prompt 'a nine nine" in message and "tokens, expected at most" in message
    assert not (copy / "results" / "tiny" / target).exists()
