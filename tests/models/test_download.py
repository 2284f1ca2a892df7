"""Checkpoints are located and downloaded from a hub with injected faults: mirrors, missing files, refused pickles."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from checkpoints import checkpoint_digest
from diffzero.config import Clip, Diffusion, Supervised
from diffzero.download.errors import DownloadSpaceError
from diffzero.download.http import RetryPolicy
from diffzero.download.hub import cache_dir
from diffzero.models import download, load
from diffzero.models.checkpoint import OPEN_CLIP_WEIGHTS, TIMM_WEIGHTS, CheckpointError, file_stamps, is_needed
from diffzero.models.download import inspect_checkpoint, locate_checkpoint
from hub_server import REVISION, Fault

QUICK = RetryPolicy(timeout=1, max_attempts=2, pause=0.01)
OTHER = {"hub": "mirror/sd", "revision": REVISION}


def diffusion(**changes) -> Diffusion:
    values = {
        "kind": "diffusion",
        "title": "SD",
        "licence": "MIT",
        "hub": "owner/sd",
        "revision": REVISION,
        "resolution": 32,
    }
    return Diffusion.model_validate({**values, "dtype": "float32", **changes})


def list_files(checkpoint_dir: Path) -> dict[str, bytes]:
    return {
        path.relative_to(checkpoint_dir).as_posix(): path.read_bytes()
        for path in sorted(checkpoint_dir.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def served(fake_hub, tiny_sd):
    """Return a hub with a repository that has other precisions, formats and extras beside the needed files."""
    files = list_files(tiny_sd)
    extras = ["unet/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model.non_ema.safetensors"]
    extras += [
        "unet/diffusion_pytorch_model.bin",
        "sd-v1-4.ckpt",
        "sd-v1-4.safetensors",
        "safety_checker/model.safetensors",
    ]
    extras += ["README.md", "vae/flax_model.msgpack", "unet/config.json.orig"]
    fake_hub.repositories["models", "owner/sd"] = files | dict.fromkeys(extras, b"not needed")
    return fake_hub


def test_only_the_files_that_a_model_is_loaded_from_are_downloaded_once(served, tiny_sd):
    checkpoint_dir = locate_checkpoint(diffusion(), Path(), QUICK)
    assert set(list_files(checkpoint_dir)) == set(list_files(tiny_sd))
    load(checkpoint_dir, "float32", "cpu")
    n_requests = len(served.seen)
    assert locate_checkpoint(diffusion(), Path(), QUICK) == checkpoint_dir and len(served.seen) == n_requests
    assert not [seen.path for seen in served.seen if "fp16" in seen.path or "ckpt" in seen.path or ".bin" in seen.path]
    found = inspect_checkpoint(diffusion(), Path())
    assert (found["folder"], found["family"]) == (str(checkpoint_dir), "StableDiffusion")
    assert set(found["files"]) == set(list_files(tiny_sd)) and found["digest"] == checkpoint_digest(tiny_sd)


def test_a_folder_with_the_complete_repository_has_the_digest_of_the_downloaded_files(served, tmp_path):
    for name, data in served.repositories["models", "owner/sd"].items():
        (tmp_path / "whole" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "whole" / name).write_bytes(data)
    whole = inspect_checkpoint(diffusion(path=str(tmp_path / "whole")), Path())
    assert whole["digest"] == inspect_checkpoint(diffusion(), Path())["digest"]


@pytest.mark.parametrize("status", [404, 401, 403])
def test_mirrors_are_tried_in_order_until_one_works(served, status, caplog):
    served.repositories["models", "mirror/sd"] = served.repositories.pop(("models", "owner/sd"))
    served.faults["owner/sd/tree"] = [Fault(status=status, code="GatedRepo" if status != 404 else "RepoNotFound")]
    gone = {"hub": "gone/sd", "revision": REVISION}
    checkpoint_dir = locate_checkpoint(diffusion(mirrors=[gone, OTHER]), Path(), QUICK)
    assert "mirror--sd" in str(checkpoint_dir)
    trees = [seen.path.split("/tree/")[0] for seen in served.seen if "/tree/" in seen.path]
    assert list(dict.fromkeys(trees)) == ["api/models/owner/sd", "api/models/gone/sd", "api/models/mirror/sd"]
    assert "owner/sd" in caplog.text and "gone/sd" in caplog.text


def test_if_every_repository_fails_each_reason_is_named(served):
    served.repositories.clear()
    served.faults["mirror/sd/tree"] = [Fault(status=403, code="GatedRepo")]
    with pytest.raises(CheckpointError) as error:
        locate_checkpoint(diffusion(mirrors=[OTHER], gated=True), Path(), QUICK)
    text = str(error.value)
    assert text.index(f"1. {served.url}/owner/sd at 0123456789ab: HTTP 404") < text.index(f"2. {served.url}/mirror/sd")
    assert "HF_TOKEN" in text and "set `path`" in text and f"Accept the licence on {served.url}/mirror/sd" in text


def test_no_mirror_is_tried_after_a_full_disk(served, monkeypatch):
    monkeypatch.setattr("diffzero.download.http.shutil.disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 10))
    with pytest.raises(DownloadSpaceError, match="found 10 B free, expected [0-9.]+ MB"):
        locate_checkpoint(diffusion(mirrors=[OTHER]), Path(), QUICK)
    assert not [seen for seen in served.seen if "mirror" in seen.path]


def test_a_broken_transfer_of_one_file_of_a_model_resumes(served, tiny_sd):
    size = (tiny_sd / "unet" / "diffusion_pytorch_model.safetensors").stat().st_size
    served.faults["unet/diffusion_pytorch_model.safetensors"] = [Fault(cut=size // 3)]
    locate_checkpoint(diffusion(), Path(), QUICK)
    assert served.sent("unet/diffusion_pytorch_model.safetensors") == size


def test_offline_all_missing_files_are_named_at_once(served, monkeypatch):
    checkpoint_dir = locate_checkpoint(diffusion(), Path(), QUICK)
    for name in ("unet/config.json", "vae/diffusion_pytorch_model.safetensors"):
        (checkpoint_dir / name).unlink()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        CheckpointError, match=r"2 of \d+ files .*unet/config.json, vae/diffusion_pytorch_model.safetensors"
    ):
        locate_checkpoint(diffusion(), Path(), QUICK)


def pickle_only(served, *names: str) -> None:
    files = served.repositories["models", "owner/sd"]
    served.repositories["models", "owner/sd"] = {
        name: data for name, data in files.items() if not name.endswith(".safetensors")
    } | dict.fromkeys(names, b"")


def test_a_repository_of_pickles_is_refused_before_anything_is_downloaded(served):
    pickle_only(served)
    with pytest.raises(CheckpointError) as error:
        locate_checkpoint(diffusion(), Path(), QUICK)
    text = str(error.value)
    assert "only pickled weights (" in text and "expected safetensors" in text
    assert f"P.from_pretrained('owner/sd', revision='{REVISION}', safety_checker=None).save_pretrained(" in text
    assert not [seen for seen in served.seen if "/resolve/" in seen.path]


def test_a_repository_without_safetensors_of_a_part_is_skipped_for_its_mirror(served, caplog):
    files = served.repositories["models", "owner/sd"]
    served.repositories["models", "mirror/sd"] = dict(files)
    del files["text_encoder/model.safetensors"]
    for extra, message in (
        ({"text_encoder/pytorch_model.bin": b""}, "only pickled weights (text_encoder/pytorch_model.bin)"),
        (
            {"text_encoder/model.fp16.safetensors": b""},
            "found no safetensors in text_encoder",
        ),  # another precision is not used
    ):
        served.repositories["models", "owner/sd"] = files | extra
        shutil.rmtree(cache_dir(), ignore_errors=True)
        assert "mirror--sd" in str(locate_checkpoint(diffusion(mirrors=[OTHER]), Path(), QUICK))
        assert message in caplog.text
    assert not [seen for seen in served.seen if "owner/sd/resolve" in seen.path]


def test_a_repository_without_a_model_index_is_skipped_for_its_mirror(served, caplog):
    files = served.repositories["models", "owner/sd"]
    served.repositories["models", "mirror/sd"] = dict(files)
    del files["model_index.json"]
    assert "mirror--sd" in str(locate_checkpoint(diffusion(mirrors=[OTHER]), Path(), QUICK))
    assert "found no model_index.json, expected it there" in caplog.text


@pytest.mark.parametrize(
    ("model_class", "name"), [(Clip, "open_clip_pytorch_model.bin"), (Supervised, "pytorch_model.bin")]
)
def test_a_baseline_of_pickles_is_refused_before_anything_is_downloaded(served, model_class, name):
    pickle_only(served, name)
    values = {"title": "B", "licence": "MIT", "hub": "owner/sd", "revision": REVISION}
    values |= {"kind": "clip"} if model_class is Clip else {"kind": "supervised", "classes": {"imagenet": "outputs"}}
    with pytest.raises(CheckpointError, match=r"only pickled weights .*save it as .*model.safetensors"):
        locate_checkpoint(model_class.model_validate(values), Path(), QUICK)


class MaliciousPickle:
    """Unpickling this object creates a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("name", ["open_clip_pytorch_model.bin", "model.pt", "weights.pth", "x.ckpt"])
def test_a_folder_of_pickles_is_refused_with_a_command_that_converts_them(tmp_path, name):
    checkpoint_dir = tmp_path / "pickles"
    checkpoint_dir.mkdir()
    (checkpoint_dir / name).write_bytes(pickle.dumps(MaliciousPickle(tmp_path / "mark")))
    with pytest.raises(CheckpointError, match="Pickled weights are refused"):
        download.require_complete(Clip(kind="clip", title="C", licence="MIT", path=str(checkpoint_dir)), checkpoint_dir)
    assert not (tmp_path / "mark").exists()
    torch.save({"a": torch.arange(3.0), "b": torch.arange(6.0)[::2]}, checkpoint_dir / name)
    with pytest.raises(CheckpointError) as error:
        download.checkpoint.single_weights_file(checkpoint_dir, OPEN_CLIP_WEIGHTS)
    command = str(error.value).partition('python -c "')[2].removesuffix('"')
    subprocess.run([sys.executable, "-c", command], check=True, capture_output=True)
    assert (
        download.checkpoint.single_weights_file(checkpoint_dir, OPEN_CLIP_WEIGHTS).name == "open_clip_model.safetensors"
    )


def test_a_missing_or_empty_folder_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint there"):
        download.checkpoint.single_weights_file(tmp_path / "gone", TIMM_WEIGHTS)
    with pytest.raises(CheckpointError, match="found no weights, expected model.safetensors"):
        download.checkpoint.single_weights_file(tmp_path, TIMM_WEIGHTS)


def test_loading_a_diffusion_model_does_not_unpickle(tiny_sd, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("unpickled")

    monkeypatch.setattr(torch, "load", refuse)
    denoiser = load(tiny_sd, "float32", "cpu")
    denoiser.encode_text(tiny_sd, ["a bag"])
    denoiser.decode(torch.randn(1, denoiser.unet.config.in_channels, 8, 8))


def test_the_needed_files_of_published_repositories_are_selected():
    sd, clip = diffusion(), Clip(kind="clip", title="C", licence="MIT", path="x")
    needed = ["model_index.json", "unet/diffusion_pytorch_model-00001-of-00002.safetensors", "tokenizer_2/merges.txt",
              "text_encoder/model.safetensors.index.json", "scheduler/scheduler_config.json", "tokenizer/spiece.model",
              "image_noising_scheduler/scheduler_config.json", "transformer/config.json"]  # fmt: skip
    not_needed = ["unet/diffusion_pytorch_model.fp16.safetensors", "text_encoder/model.fp16-00001-of-00002.safetensors",
                  "safety_checker/config.json", "watermarker/diffusion_pytorch_model.safetensors", "v1-4.ckpt", "README.md",
                  "vae_1_0/config.json", "unet/model.onnx", "tokenizer/old/vocab.json",
                  "sd_xl_base_1.0.safetensors", "a/unet/config.json"]  # fmt: skip
    assert [name for name in needed + not_needed if is_needed(sd, name)] == needed
    assert is_needed(clip, "open_clip_model.safetensors") and is_needed(clip, "tokenizer.json")
    assert not is_needed(clip, "model.safetensors") and not is_needed(clip, "open_clip_pytorch_model.bin")


def test_a_local_model_causes_no_request(served, tiny_sd):
    assert locate_checkpoint(diffusion(path=str(tiny_sd)), Path()) == tiny_sd and not served.seen
    assert json.loads((tiny_sd / "model_index.json").read_text())["_class_name"] == "StableDiffusionPipeline"


def test_stamps_change_with_size_or_time_of_a_needed_file_only(tiny_sd, tmp_path):
    checkpoint_dir = shutil.copytree(tiny_sd, tmp_path / "weights")
    model, path = diffusion(path=str(checkpoint_dir)), checkpoint_dir / "unet" / "diffusion_pytorch_model.safetensors"
    before = file_stamps(model, Path())
    (checkpoint_dir / "README.md").write_text("A model.")
    assert file_stamps(model, Path()) == before and len(before) == len(list_files(tiny_sd))
    # A copy may keep its old time, so an older file counts as changed, too.
    os.utime(path, ns=(0, path.stat().st_mtime_ns - 1))
    assert file_stamps(model, Path()) != before
    assert file_stamps(diffusion(), Path()) == file_stamps(diffusion(path=str(tmp_path / "gone")), Path()) == []
