"""A renamed key is refused with its new name."""

import pytest
import yaml

from diffzero.config import ConfigError, load_block, load_dataset, load_model, load_run
from diffzero.config.documentation import BLOCKS
from workspace import DATASET, MODEL, ROOT, demo, workspace

RENAMED = [(block, old, new) for block in BLOCKS for old, new in block.renamed_keys.items()]


@pytest.mark.parametrize(("block", "old", "new"), RENAMED, ids=lambda value: getattr(value, "__name__", value))
def test_an_old_key_is_refused_with_its_new_name(block, old, new):
    assert old not in block.model_fields and new in block.model_fields
    with pytest.raises(ConfigError) as error:
        load_block(block, {old: 1}, "config/my.yaml")
    assert str(error.value) == f"config/my.yaml: key '{old}' is now called '{new}'. Rename it."


def test_all_old_keys_of_a_file_are_reported_with_their_lines(tmp_path):
    root = workspace(
        tmp_path, model=MODEL.replace("resolution: 8", "size: 8"), dataset=DATASET + "template: 0\ncues: x\n"
    )
    with pytest.raises(ConfigError) as error:
        load_model("m", root)
    assert str(error.value) == "config/models/m.yaml, line 4: key 'size' is now called 'resolution'. Rename it."
    with pytest.raises(ConfigError) as error:
        load_dataset("d", root)
    assert str(error.value).splitlines() == [
        "config/datasets/d.yaml, line 6: key 'template' is now called 'prompt_template'. Rename it.",
        "config/datasets/d.yaml, line 7: key 'cues' is now called 'cue_pattern'. Rename it.",
    ]


def test_an_old_key_in_a_block_is_reported_with_the_block():
    with pytest.raises(ConfigError) as error:
        load_run(demo(attribute_binding={"scenes": 4}), ROOT, where="config/demo.yaml")
    expected = "config/demo.yaml: key 'scenes' in 'attribute_binding' is now called 'examples_per_task'. Rename it."
    assert str(error.value) == expected


def test_an_old_key_given_with_config_is_refused():
    # Snakemake merges `--config images=64` into the content of config/config.yaml.
    merged = yaml.safe_load((ROOT / "config/config.yaml").read_text()) | {"images": 64}
    with pytest.raises(ConfigError) as error:
        load_run(merged, ROOT, where="config/config.yaml")
    assert str(error.value) == "config/config.yaml: key 'images' is now called 'max_images'. Rename it."
