"""`snakemake --cores 1 check` lists the weights and data of a run and fails if any of them is missing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import timm
import yaml
from huggingface_hub import constants
from timm.models import save_for_hf

from diffzero.config import load_run
from diffzero.download.errors import OfflineError, RemoteFileNotFoundError, TransientDownloadError
from diffzero.download.hub import HubRepo
from diffzero.download.probe import Availability, RemoteProbe
from diffzero.download.url import download_url
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.preflight import (
    MissingRequirementError,
    check_requirements,
    format_requirements,
    require_available,
)
from diffzero.workflow.requirements import AVAILABLE, MISSING, TO_DOWNLOAD, Requirement
from hub_server import REVISION, Fault
from source_files import picture

ROOT = Path(__file__).resolve().parents[2]
SD = {
    "kind": "diffusion",
    "title": "S",
    "licence": "OpenRAIL",
    "resolution": 32,
    "dtype": "float32",
    "revision": REVISION,
}
DATASET = {"title": "D", "classnames": ["cat", "dog"], "prompt_templates": ["a {}."], "licence": "CC BY 4.0"}
HUB = {"kind": "hub", "repo": "owner/pets", "revision": REVISION, "split": "test", "image": "i", "label": "l"}
BIG = b"x" * 2_000_000
MINI_DIR = ROOT / "resources" / "models" / "mini-sd"
MINI = {
    path.relative_to(MINI_DIR).as_posix(): path.read_bytes()
    for path in MINI_DIR.rglob("*")
    if path.suffix in (".json", ".safetensors")
}
MINI_SIZE = sum(map(len, MINI.values()))
CONFIGURATIONS = ("model_index.json", "config.json")


def write_config(root: Path, kind: str, name: str, block: dict) -> None:
    path = root / "config" / kind / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(block))


@pytest.fixture
def root(tmp_path, fake_hub) -> Path:
    """Return a root with models and data sets that are available, to be downloaded, gated, missing or broken."""
    root = tmp_path / "root"
    shutil.copytree(ROOT / "resources" / "models" / "mini-sd", root / "mini")
    write_config(root, "models", "local", SD | {"path": "mini", "revision": None})
    write_config(root, "models", "gone", SD | {"path": "no-such-folder", "revision": None})
    write_config(root, "models", "open", SD | {"hub": "owner/open"})
    write_config(root, "models", "gated", SD | {"hub": "owner/gated", "gated": True})
    write_config(
        root, "models", "mirrored", SD | {"hub": "owner/away", "mirrors": [{"hub": "owner/open", "revision": REVISION}]}
    )
    write_config(root, "models", "pickled", SD | {"hub": "owner/pickled"})
    write_config(
        root,
        "models",
        "clip",
        {"kind": "clip", "title": "C", "licence": "MIT", "hub": "owner/clip", "revision": REVISION},
    )
    for number, name in enumerate(DATASET["classnames"]):
        (root / "pictures" / name).mkdir(parents=True)
        (root / "pictures" / name / "1.png").write_bytes(picture(number))
    write_config(root, "datasets", "mine", DATASET | {"source": {"kind": "folder", "path": "pictures"}})
    write_config(root, "datasets", "nowhere", DATASET | {"source": {"kind": "folder", "path": "no-pictures"}})
    write_config(root, "datasets", "pets", DATASET | {"source": HUB})
    weights = MINI | {"unet/diffusion_pytorch_model.fp16.safetensors": BIG}
    fake_hub.repositories |= {
        ("models", "owner/open"): weights,
        ("models", "owner/pickled"): {"model_index.json": b"{}", "unet/model.bin": BIG},
        ("models", "owner/clip"): {"open_clip_model.safetensors": BIG, "open_clip_config.json": b"{}"},
        ("datasets", "owner/pets"): {"data/test-00000-of-00001.parquet": BIG, "data/train-00000-of-00001.parquet": BIG},
    }
    fake_hub.faults["owner/gated/tree"] = [Fault(status=401, code="GatedRepo")]
    return root


def requirements(
    root: Path, models: list[str], datasets: tuple[str, ...] = ("mine",), **more: object
) -> dict[str, Requirement]:
    """Return the requirements of a run with these models and data sets, by name."""
    run = load_run({"name": "x", "models": models, "datasets": list(datasets), **more}, root)
    return {requirement.name: requirement for requirement in check_requirements(Experiment(run, root))}


def test_requirements_have_a_state_a_size_a_licence_and_a_source(root, fake_hub):
    found = requirements(
        root, ["local", "gone", "open", "gated", "mirrored", "pickled"], ("mine", "nowhere", "pets"), baselines=["clip"]
    )
    states = {name: requirement.state for name, requirement in found.items()}
    assert states == {
        "local": AVAILABLE, "gone": MISSING, "open": TO_DOWNLOAD, "gated": MISSING, "mirrored": TO_DOWNLOAD, "pickled": MISSING,
        "clip": TO_DOWNLOAD, "mine": AVAILABLE, "nowhere": MISSING, "pets": TO_DOWNLOAD,
    }  # fmt: skip
    assert (
        found["open"].size == MINI_SIZE
        and found["pets"].size == len(BIG)
        and found["mine"].size == len(picture(0)) + len(picture(1))
    )
    assert found["gated"].licence == "OpenRAIL (gated)" and "HF_TOKEN" in found["gated"].reasons[0]
    assert found["mirrored"].source == f"hub owner/open@{REVISION[:12]}"
    assert "only pickled weights" in found["pickled"].reasons[0] and "no-such-folder" in found["gone"].reasons[0]
    text = format_requirements(list(found.values()), "x")
    assert (
        re.search(r"To download: 4, when the run needs them \(21\.\d MB; ", text)
        and "Missing: 4; the run would fail." in text
    )
    assert re.search(r"^data set +pets +to download +2.0 MB +CC BY 4.0 +owner/pets at 0123456789ab, test$", text, re.M)
    # Only configuration files are downloaded.
    downloaded = [request.path for request in fake_hub.seen if "/resolve/" in request.path]
    assert downloaded and all(path.endswith(CONFIGURATIONS) for path in downloaded)
    with pytest.raises(
        MissingRequirementError, match="^gone, gated, pickled, nowhere: not available and cannot be downloaded"
    ):
        require_available(list(found.values()))
    require_available([requirement for requirement in found.values() if requirement.state != MISSING])


def test_cached_files_are_available_offline_and_all_other_requirements_are_missing(root, fake_hub, monkeypatch):
    HubRepo("owner/open", REVISION, "model").download_files(lambda name: "fp16" not in name)
    assert requirements(root, ["open"])["open"].state == AVAILABLE
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    requests = len(fake_hub.seen)
    found = requirements(root, ["open", "gated", "local"], ("pets", "mine"), baselines=["clip"])
    assert {name for name, requirement in found.items() if requirement.state == MISSING} == {"gated", "clip", "pets"}
    assert all("HF_HUB_OFFLINE" in found[name].reasons[0] for name in ("gated", "clip", "pets"))
    assert len(fake_hub.seen) == requests


def test_an_unreachable_hub_gives_one_reason_for_all_its_repositories(root, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    found = requirements(root, ["open", "gated", "mirrored"], ("pets",), baselines=["clip"])
    assert all(requirement.state == MISSING for requirement in found.values())
    text = format_requirements(list(found.values()), "x")
    assert (
        "Missing: open, gated, clip, pets\n  1. cannot reach http://127.0.0.1:9, and the files are not in the cache"
        in text
    )


def test_sizes_of_urls_count_only_files_that_are_not_cached(fake_hub, monkeypatch):
    fake_hub.plain |= {"a.zip": b"12345", "b.zip": b"678"}
    a, b, gone = ((f"{fake_hub.url}/plain/{name}", name, None) for name in ("a.zip", "b.zip", "gone.zip"))
    assert RemoteProbe().check_urls([a, b]) == Availability(is_local=False, size=8)
    download_url(*a)
    assert RemoteProbe().check_urls([a, b]) == Availability(is_local=False, size=3)
    assert RemoteProbe().check_urls([a]) == Availability(is_local=True, size=5)
    with pytest.raises(RemoteFileNotFoundError, match="plain/gone.zip: HTTP 404"):
        RemoteProbe().check_urls([gone])
    probe = RemoteProbe()
    for port in (9, 10, 9):
        with pytest.raises(TransientDownloadError, match=f"cannot reach http://127.0.0.1:{port}"):
            probe.check_urls([(f"http://127.0.0.1:{port}/x", "x", None)])
    assert probe._unreachable == {"127.0.0.1:9", "127.0.0.1:10"}
    assert probe.check_urls([b]) == Availability(is_local=False, size=3)  # other servers still get requests
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(OfflineError, match="b.zip: not in the cache"):
        probe.check_urls([a, b])


def test_the_first_source_that_has_the_images_is_checked_and_no_later_one(root, fake_hub):
    later = {"kind": "folder", "path": "pictures"}
    write_config(root, "datasets", "both", DATASET | {"sources": [HUB, later]})
    write_config(root, "datasets", "other", DATASET | {"sources": [later, HUB | {"repo": "owner/never"}]})
    write_config(root, "datasets", "split", DATASET | {"sources": [HUB | {"repo": "owner/splits"}]})
    fake_hub.repositories["datasets", "owner/splits"] = {"data/notest-0.parquet": BIG, "data/latest.parquet": BIG}
    found = requirements(root, ["local"], ("both", "other", "split"))
    assert found["both"].state == TO_DOWNLOAD and found["both"].source == f"owner/pets at {REVISION[:12]}, test"
    assert found["other"].state == AVAILABLE and not [request for request in fake_hub.seen if "never" in request.path]
    # The loader does not take files whose names only contain the name of the split, either.
    assert found["split"].state == MISSING


def test_selected_images_are_available_without_a_source(root):
    path = root / "results" / "x" / "data" / "nowhere" / "images.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"123")
    requirement = requirements(root, ["local"], ("nowhere",))["nowhere"]
    assert (requirement.state, requirement.size) == (AVAILABLE, 3) and "selected in" in requirement.source


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """Return a copy of the working tree with an additional supervised baseline."""
    root = tmp_path_factory.mktemp("copy")
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/")):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    checkpoint_dir = root / "weights" / "tiny-resnet"
    checkpoint_dir.mkdir(parents=True)
    save_for_hf(timm.create_model("resnet10t", num_classes=30), checkpoint_dir, safe_serialization=True)
    digits = {str(k): [k, 29 - k] for k in range(10)}
    names = yaml.safe_load((ROOT / "config" / "datasets" / "digits.yaml").read_text())["classnames"]
    classes = {"digits": dict(zip(names, digits.values(), strict=True))}
    write_config(
        root,
        "models",
        "tiny-resnet",
        {"kind": "supervised", "title": "R", "licence": "MIT", "path": "weights/tiny-resnet", "classes": classes},
    )
    write_config(root, "models", "open", SD | {"hub": "owner/open"})
    return root


def snakemake(root: Path, config: dict, *targets: str, **environment: str) -> subprocess.CompletedProcess:
    (root / "run.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *targets, "--configfile", "run.yaml"]
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command,
        cwd=root,
        env=inherited | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_target_check_prints_the_requirements_and_fails_if_one_is_missing(copy, tmp_path, fake_hub):
    fake_hub.repositories["models", "owner/open"] = MINI
    config = {"name": "x", "models": ["mini-sd", "open"], "baselines": ["mini-clip"], "datasets": ["digits"]}
    environment = {
        "HF_ENDPOINT": fake_hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "DIFFZERO_CACHE": str(tmp_path / "cache"),
    }
    done = snakemake(copy, config, "check", **environment, HF_TOKEN="hf_NeverPrinted")
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"^model +open +to download +8.8 MB +OpenRAIL +hub owner/open@", done.stdout, re.M), done.stdout
    assert "Available: 3 of 4. To download: 1," in done.stdout
    done = snakemake(
        copy,
        config,
        "check",
        **environment | {"DIFFZERO_CACHE": str(tmp_path / "none")},
        HF_HUB_OFFLINE="1",
        HF_TOKEN="hf_NeverPrinted",
    )
    assert (
        done.returncode != 0
        and "diffzero: MissingRequirementError: open: not available and cannot be downloaded" in done.stderr
    ), done.stderr[-3000:]
    assert "Missing: open" in done.stdout and "Traceback" not in done.stdout + done.stderr
    logs = "".join(path.read_text() for path in (copy / "results" / "x" / "logs").rglob("*.log"))
    assert "hf_NeverPrinted" not in done.stdout + done.stderr + logs


def test_both_kinds_of_baseline_run_from_local_weights_and_appear_in_table_1(copy):
    config = {
        "name": "b",
        "models": ["mini-sd"],
        "baselines": ["mini-clip", "tiny-resnet"],
        "datasets": ["digits", "fashion"],
    }
    baselines_dir = "results/b/baselines"
    files = [
        f"{baselines_dir}/tiny-resnet/digits/full-resolution.parquet",
        f"{baselines_dir}/mini-clip/digits/downsampled-24.parquet",
    ]
    done = snakemake(copy, config | {"max_images": 8, "device": "cpu"}, *files)
    assert done.returncode == 0, done.stderr[-4000:]
    supervised, clip = (pd.read_parquet(copy / file) for file in files)
    assert set(clip.columns) == set(supervised.columns) - {"top5"}
    assert list(supervised["item"]) == list(clip["item"])
    assert (
        supervised["top5"].notna().all()
        and (supervised["top5"] >= supervised["correct"]).all()
        and supervised["prediction"].between(0, 9).all()
    )
    done = snakemake(copy, config | {"max_images": 8, "device": "cpu"}, "tables")
    assert done.returncode == 0, done.stderr[-4000:]
    table = (copy / "results" / "b" / "tables" / "table1.md").read_text()
    assert "| digits | tiny-resnet |" in table and "tiny-resnet on digits: top-5 accuracy" in table
    assert "tiny-resnet on fashion" not in table.replace("Missing", "") or "| fashion | tiny-resnet | – |" in table
