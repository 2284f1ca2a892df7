"""Fixtures of several packages, and the order in which workers of pytest-xdist run the tests."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from diffusers import IFPipeline, StableDiffusionPipeline
from huggingface_hub import constants
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from diffzero.training import nets
from diffzero.training.captions import corpus
from hub_server import FakeHub, Server
from workflow_copy import copy as copy

# Processes that tests start do not read pytest's `pythonpath`.
os.environ["PYTHONPATH"] = str(Path(__file__).parent.parent / "src")
# Threads slow down networks of this size, on a busy machine by minutes.
torch.set_num_threads(1)
# The longest groups start first, so that all workers finish at about the same time.
LONGEST = (
    "slurm",
    "test_workflow",
    "test_documented_commands",
    "test_changed_images",
    "test_stale_files",
    "test_lewis_run",
)


def group_of(path: str) -> str:
    """Return the group of a test file; one worker of pytest-xdist runs all tests of a group.

    A file is a group because its tests share fixtures. All tests on SLURM are one group because they share a cluster.
    """
    return "slurm" if Path(path).parent.name == "slurm" else Path(path).stem


class GroupScheduling(LoadScopeScheduling):
    """Assigns whole groups of tests to workers."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.split("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling:
    return GroupScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(group_of(str(item.path)), len(order)))


@pytest.fixture
def fake_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """Yield a local hub that replaces the real one, with empty caches."""
    with Server() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_URL_HOSTS", frozenset({"127.0.0.1"}))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setenv("DIFFZERO_CACHE", str(tmp_path / "cache"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub


@pytest.fixture(scope="session")
def tiny_sd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny Stable Diffusion checkpoint with random fp32 weights, as StableDiffusionPipeline.save_pretrained writes it."""
    torch.manual_seed(1)
    checkpoint_dir, tokenizer = tmp_path_factory.mktemp("tiny-sd"), nets.clip_tokenizer(corpus())
    vae = nets.autoencoder()
    vae.register_to_config(scaling_factor=0.7)  # neither 1 nor the default, so that a missing scaling changes results
    parts = (vae, nets.clip_text_model(tokenizer), tokenizer, nets.sd_unet(), nets.sd_scheduler())
    StableDiffusionPipeline(*parts, None, None, requires_safety_checker=False).save_pretrained(checkpoint_dir)
    return checkpoint_dir


@pytest.fixture(scope="session")
def tiny_if(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny DeepFloyd IF-I checkpoint with random fp32 weights, as IFPipeline.save_pretrained writes it."""
    torch.manual_seed(2)
    checkpoint_dir, tokenizer = tmp_path_factory.mktemp("tiny-if"), nets.t5_tokenizer(corpus())
    parts = (tokenizer, nets.t5_encoder(tokenizer), nets.if_unet(), nets.if_scheduler())
    IFPipeline(*parts, None, None, None, requires_safety_checker=False).save_pretrained(checkpoint_dir)
    return checkpoint_dir


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield the folder of a file system of 2 MB, which the test may fill."""
    disk_dir = tmp_path / "disk"
    disk_dir.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk_dir], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"needs permission to mount a tmpfs: {mounted.stderr.strip()}")
    yield disk_dir
    subprocess.run(["umount", disk_dir], check=True)
