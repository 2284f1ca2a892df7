"""A repository that does not list a whole checkpoint of a supported family is refused before its weights are downloaded."""

import json
import tempfile
from pathlib import Path

import pytest
import yaml

from diffzero.config import Clip, Diffusion, Supervised, load_run
from diffzero.download.http import RetryPolicy
from diffzero.download.probe import RemoteProbe
from diffzero.models import CheckpointError, load
from diffzero.models.download import locate_checkpoint
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.preflight import check_model
from diffzero.workflow.requirements import MISSING, Requirement
from edit_checkpoint import copy_of, edit_tensors, publish_clip_tokenizer, shard_weights, without
from hub_server import REVISION

QUICK = RetryPolicy(timeout=1, max_attempts=2, pause=0.01)
COMMON = {"title": "M", "licence": "MIT", "hub": "owner/model", "revision": REVISION}
MIRROR = {"hub": "mirror/model", "revision": REVISION}
DATASET = {"title": "D", "classnames": ["cat", "dog"], "prompt_templates": ["a {}."], "licence": "MIT",
           "source": {"kind": "folder", "path": "pictures"}}  # fmt: skip
SD, SDXL, SD3, IF = "Stable Diffusion 1.x", "Stable Diffusion XL", "Stable Diffusion 3", "DeepFloyd IF-I"


def diffusion(**more: object) -> Diffusion:
    return Diffusion.model_validate({"kind": "diffusion", "resolution": 32, "dtype": "float32", **COMMON, **more})


def check(model: Diffusion | Clip | Supervised) -> Requirement:
    """Return the state of a model as `snakemake check` does, in a working directory of its own."""
    with tempfile.TemporaryDirectory() as root:
        other = diffusion(hub="owner/other").model_dump(mode="json")
        for path, block in (
            ("models/m", model.model_dump(mode="json")),
            ("models/other", other),
            ("datasets/m", DATASET),
        ):
            file = Path(root) / "config" / f"{path}.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(yaml.safe_dump(block))
        names = {"models": ["m"]} if isinstance(model, Diffusion) else {"models": ["other"], "baselines": ["m"]}
        experiment = Experiment(load_run({"name": "x", "datasets": ["m"], **names}, Path(root)), Path(root))
        return check_model("model", "m", experiment, RemoteProbe())


def read_files(checkpoint_dir: Path) -> dict[str, bytes]:
    paths = (path for path in sorted(checkpoint_dir.rglob("*")) if path.is_file())
    return {path.relative_to(checkpoint_dir).as_posix(): path.read_bytes() for path in paths}


def refuse(hub, files: dict[str, bytes], model) -> str:
    """Return why a repository with these files is refused by `check` and by the download, which take no weights."""
    hub.repositories["models", "owner/model"] = files
    requirement = check(model)
    assert requirement.state == MISSING
    with pytest.raises(CheckpointError) as error:
        locate_checkpoint(model, Path(), QUICK)
    assert requirement.reasons[0] in str(error.value)
    assert not [seen for seen in hub.seen if "/resolve/" in seen.path and seen.path.endswith(".safetensors")]
    return requirement.reasons[0]


def lists_of(checkpoint_dir: Path) -> list[tuple[str, dict[str, bytes]]]:
    """Return the files of a repository without one of its parts, for each part."""
    files = read_files(checkpoint_dir)
    parts = sorted({name.partition("/")[0] for name in files if "/" in name})
    return [(part, {name: data for name, data in files.items() if not name.startswith(f"{part}/")}) for part in parts]


@pytest.mark.parametrize("name", [SD, SDXL, SD3, IF])
def test_a_repository_without_a_part_is_refused_with_the_name_of_the_part(name, checkpoints, fake_hub, tmp_path):
    for number, (part, files) in enumerate(lists_of(checkpoints[name])):
        fake_hub.repositories["models", f"owner/{number}"] = files
        requirement = check(diffusion(hub=f"owner/{number}"))
        assert requirement.state == MISSING and part in requirement.reasons[0], part
    assert not [seen for seen in fake_hub.seen if seen.path.endswith(".safetensors")]


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("tokenizer/vocab.json", "tokenizer: found merges.txt, tokenizer_config.json, expected tokenizer.json or vocab.json with"),
        ("tokenizer/merges.txt", "tokenizer: found tokenizer_config.json, vocab.json, expected tokenizer.json or"),
        ("tokenizer/tokenizer_config.json", "tokenizer: found merges.txt, vocab.json, expected also tokenizer_config.json"),
        ("unet/config.json", "unet: found diffusion_pytorch_model.safetensors, expected also config.json"),
        ("text_encoder/config.json", "text_encoder: found model.safetensors, expected also config.json"),
        ("scheduler/scheduler_config.json", "found no scheduler folder"),
        ("vae/diffusion_pytorch_model-00002-of-00002.safetensors", "vae: found 1 of 2 files of weights"),
        ("vae/diffusion_pytorch_model.safetensors.index.json", "vae: found 2 of several files with weights"),
        ("model_index.json", "found no model_index.json"),
    ],
)  # fmt: skip
def test_a_repository_without_a_file_is_refused(lost, message, checkpoints, fake_hub, tmp_path):
    copy = copy_of(checkpoints[SD], tmp_path / "copy")
    publish_clip_tokenizer(copy / "tokenizer")
    shard_weights(copy / "vae")
    files = read_files(copy)
    fake_hub.repositories["models", "owner/whole"] = dict(files)
    load(locate_checkpoint(diffusion(hub="owner/whole"), Path(), QUICK), "float32", "cpu")
    fake_hub.seen.clear()
    del files[lost]
    assert message in refuse(fake_hub, files, diffusion())


def test_a_repository_with_other_variants_only_or_a_lora_is_refused(checkpoints, fake_hub):
    files = read_files(checkpoints[SD])
    weights = files.pop("vae/diffusion_pytorch_model.safetensors")
    text = refuse(fake_hub, files | {"vae/diffusion_pytorch_model.fp16.safetensors": weights}, diffusion())
    assert "found no safetensors in vae" in text
    files["vae/diffusion_pytorch_model.safetensors"] = weights
    lora = files | {"unet/pytorch_lora_weights.safetensors": b""}
    fake_hub.repositories["models", "owner/lora"] = lora
    assert "a LoRA or another adapter" in check(diffusion(hub="owner/lora")).reasons[0]


@pytest.mark.parametrize(
    ("name", "file", "values", "message"),
    [
        (SD, "unet/config.json", {"time_cond_proj_dim": 256}, "found time_cond_proj_dim: 256"),
        (SD, "unet/config.json", {"in_channels": 9}, "networks for inpainting"),
        (
            SD,
            "scheduler/scheduler_config.json",
            {"_class_name": "LCMScheduler"},
            "its network is distilled for a few steps",
        ),
        (SD, "model_index.json", {"_class_name": "KandinskyPipeline"}, "found pipeline 'KandinskyPipeline'"),
        (SD, "model_index.json", {"_class_name": None}, "found no _class_name"),
        (IF, "unet/config.json", {"class_embed_type": "projection"}, "class labels"),
    ],
)
def test_a_configuration_that_is_not_supported_is_refused_before_the_weights(
    name, file, values, message, checkpoints, fake_hub
):
    files = read_files(checkpoints[name])
    files[file] = json.dumps(json.loads(files[file]) | values).encode()
    assert message in refuse(fake_hub, files, diffusion())


def test_weights_that_are_not_whole_are_refused_after_the_download_for_a_mirror(
    checkpoints, fake_hub, tmp_path, caplog
):
    broken = copy_of(checkpoints[SD], tmp_path / "broken")
    edit_tensors(broken / "text_encoder", without("layers.1"))
    fake_hub.repositories["models", "owner/model"] = read_files(broken)
    fake_hub.repositories["models", "mirror/model"] = read_files(checkpoints[SD])
    assert "mirror--model" in str(locate_checkpoint(diffusion(mirrors=[MIRROR]), Path(), QUICK))
    assert "text_encoder: found no 16 tensors" in caplog.text
    requirement = check(diffusion())
    assert requirement.state == MISSING and "text_encoder: found no 16 tensors" in requirement.reasons[0]


@pytest.mark.parametrize(
    ("model", "weights", "config"),
    [
        (Clip(kind="clip", **COMMON), "open_clip_model.safetensors", "open_clip_config.json"),
        (Supervised(kind="supervised", classes={"digits": "outputs"}, **COMMON), "model.safetensors", "config.json"),
    ],
)
def test_a_baseline_without_its_configuration_is_refused(model, weights, config, fake_hub):
    assert f"found no {config}, expected it beside the weights" in refuse(fake_hub, {weights: b"x" * 100}, model)
