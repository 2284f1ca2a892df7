"""`snakemake check` calls available only what would load, and says what has changed since the results were made."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from diffzero.config import load_run
from diffzero.data.selection import load_test_images
from diffzero.data.source_files import RECORD, dataset_files, record_images
from diffzero.utils.io import write_json
from diffzero.utils.result_files import write_parquet
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.preflight import check_requirements, format_requirements
from diffzero.workflow.prompt_checks import find_long_prompts
from diffzero.workflow.requirements import AVAILABLE, MISSING, Requirement
from source_files import parquet, picture

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ["cat", "dog"]
MODEL = {"kind": "diffusion", "title": "S", "licence": "MIT", "resolution": 32, "dtype": "float32", "path": "mini"}
DATASET = {"title": "D", "classnames": CLASSES, "prompt_templates": ["a {}."], "licence": "CC BY 4.0"}


def write_block(root: Path, kind: str, name: str, block: dict) -> None:
    path = root / "config" / kind / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(block))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root with one model, a folder of images and a Parquet file."""
    shutil.copytree(ROOT / "resources" / "models" / "mini-sd", tmp_path / "mini")
    write_block(tmp_path, "models", "m", MODEL)
    write_block(tmp_path, "models", "c", {"kind": "clip", "title": "C", "licence": "MIT", "architecture": "ViT-B-32"})
    for number, name in enumerate(CLASSES):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "1.png").write_bytes(picture(number))
    (tmp_path / "table.parquet").write_bytes(parquet("picture", "label", [(0, 0), (1, 1)], CLASSES))
    write_block(tmp_path, "datasets", "images", DATASET | {"source": {"kind": "folder", "path": "images"}})
    source = {"kind": "parquet", "path": "table.parquet", "image": "picture", "label": "label"}
    write_block(tmp_path, "datasets", "table", DATASET | {"source": source})
    return tmp_path


def experiment(root: Path, dataset: str, **more: object) -> Experiment:
    settings = {"name": "x", "models": ["m"], "datasets": [dataset], **more}
    # A new configuration per call, as loaded blocks are cached by name and root.
    return Experiment(load_run(settings, root), root)


def check(root: Path, dataset: str) -> Requirement:
    (found,) = (found for found in check_requirements(experiment(root, dataset)) if found.name == dataset)
    return found


def rename_class(root: Path) -> None:
    (root / "images" / "cat").rename(root / "images" / "lion")


def damage_images(root: Path) -> None:
    for path in (root / "images").rglob("*.png"):
        path.write_bytes(b"12345")


def remove_images(root: Path) -> None:
    shutil.rmtree(root / "images")


def damage_table(root: Path) -> None:
    (root / "table.parquet").write_bytes(b"PAR1 damaged")


def rename_column(root: Path) -> None:
    (root / "table.parquet").write_bytes(parquet("photo", "label", [(0, 0), (1, 1)], CLASSES))


def add_unknown_class(root: Path) -> None:
    (root / "table.parquet").write_bytes(parquet("picture", "label", [(0, 0), (1, 1)], ["cat", "lion"]))


@pytest.mark.parametrize(
    ("dataset", "change", "words"),
    [
        ("images", rename_class, "cat"),
        ("images", damage_images, "1.png"),
        ("images", remove_images, "does not exist"),
        ("table", damage_table, "table.parquet"),
        ("table", rename_column, "picture"),
        ("table", add_unknown_class, "lion"),
    ],
)
def test_a_source_that_would_not_load_is_missing_with_the_reason(root, dataset, change, words):
    assert check(root, dataset).state == AVAILABLE
    change(root)
    found = check(root, dataset)
    assert found.state == MISSING and words in " ".join(found.reasons), found


@pytest.mark.parametrize("dataset", ["images", "table"])
def test_one_damaged_image_of_several_is_found(root, dataset):
    if dataset == "images":
        (root / "images" / "dog" / "2.png").write_bytes(picture(2)[:50])
    else:
        rows = pq.read_table(root / "table.parquet")
        cells = [{"bytes": picture(0)}, {"bytes": picture(1)[:50]}]
        pq.write_table(rows.set_column(0, "picture", pa.array(cells)), root / "table.parquet")
    found = check(root, dataset)
    assert found.state == MISSING and "found 1 images that cannot be decoded" in " ".join(found.reasons)


def select(root: Path, name: str) -> Path:
    """Write the results of the rule that selects images, and return their folder."""
    run = experiment(root, name)
    dataset, folder = run.dataset(name), root / "results" / "x" / "data" / name
    before = [files.stamps() for files in dataset_files(dataset, root)]
    images = load_test_images(dataset, 2, 0, root)
    write_parquet(images, folder / "images.parquet")
    write_json({"listing": None, "changes": []}, folder / "source-state.json")
    record_images(before, dataset, images, folder / "source-state.json", root).write(folder / RECORD)
    return folder


def test_selected_images_are_compared_with_those_that_are_there_now(root):
    select(root, "images")
    found = check(root, "images")
    assert "selected in" in found.source and found.notes == ()
    (root / "images" / "cat" / "2.png").write_bytes(picture(2))
    found = check(root, "images")
    assert (found.state, found.source) == (AVAILABLE, "images")
    assert found.notes == ("images: 1 file differs from those that its images were selected from (cat/2.png: added).",)
    text = format_requirements([found], "x")
    assert "Changed since the results were made:\n  images: 1 file differs" in text
    rename_class(root)
    found = check(root, "images")
    assert found.state == MISSING and "3 files differ" in found.notes[0] and "cat" in found.reasons[0]


def test_selected_images_stay_available_without_their_source_and_say_so(root):
    select(root, "images")
    remove_images(root)
    found = check(root, "images")
    assert found.state == AVAILABLE and "found no files in images" in found.notes[0]


def test_a_checkpoint_with_other_files_than_recorded_is_named(root):
    record = root / "results" / "x" / "weights" / "m.json"
    names = sorted(path.relative_to(root / "mini").as_posix() for path in (root / "mini").rglob("*") if path.is_file())
    read = [name for name in names if name == "model_index.json" or "/" in name]
    write_json({"files": dict.fromkeys(read, "digest")}, record)
    (model,) = (found for found in check_requirements(experiment(root, "images")) if found.name == "m")
    assert model.notes == ()
    (root / "mini" / "vae" / "more.json").write_text("{}")
    (root / "mini" / "scheduler" / "scheduler_config.json").touch()
    (model,) = (found for found in check_requirements(experiment(root, "images")) if found.name == "m")
    assert "scheduler/scheduler_config.json: modified later, vae/more.json: added" in model.notes[0]


def test_long_prompts_are_found_before_anything_is_computed(root):
    assert find_long_prompts(experiment(root, "images")) == []
    long = "dog " * 60
    block = DATASET | {"classnames": ["cat", long.strip()], "source": {"kind": "folder", "path": "images"}}
    write_block(root, "datasets", "long", block)
    (message,) = find_long_prompts(experiment(root, "long"))
    assert message.startswith("m on long: prompt 'a dog dog") and "tokens, expected at most" in message


def test_long_prompts_of_a_baseline_on_downsampled_images_are_found(root, caplog):
    shutil.copytree(ROOT / "resources" / "models" / "mini-clip", root / "resources" / "models" / "mini-clip")
    block = yaml.safe_load((ROOT / "config" / "models" / "mini-clip.yaml").read_text())
    write_block(root, "models", "clip", block | {"downsample_to": [24]})
    write_block(
        root, "datasets", "long", DATASET | {"classnames": ["cat", ("dog " * 90).strip()], "source": {"kind": "digits"}}
    )
    messages = find_long_prompts(experiment(root, "long", baselines=["clip"]))
    assert [message.split(":")[0] for message in messages] == ["m on long", "clip on long"]
    assert "cannot be checked" not in caplog.text
