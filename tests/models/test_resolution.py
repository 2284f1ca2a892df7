"""A resolution that the networks would round down is refused by check."""

import json

import pytest

from diffzero.config import load_model
from diffzero.models.download import require_complete
from diffzero.models.errors import CheckpointError
from diffzero.models.resolution import pixel_step, require_divisible
from workspace import ROOT


@pytest.mark.parametrize("resolution", [33, 7, 31, 1])
def test_a_resolution_that_is_no_multiple_of_the_networks_step_is_refused(resolution):
    model = load_model("mini-sd", ROOT)
    step = pixel_step(ROOT / model.local_dir)
    assert step > 1 and model.resolution % step == 0
    require_complete(model, ROOT / model.local_dir)
    wrong = model.model_copy(update={"resolution": resolution})
    with pytest.raises(CheckpointError, match=f"'resolution' is {resolution}, expected a multiple of {step}, e.g. "):
        require_complete(wrong, ROOT / model.local_dir)


def test_a_pixel_model_has_any_resolution():
    model = load_model("mini-if", ROOT)
    require_divisible(model.model_copy(update={"resolution": 33}), ROOT / model.local_dir)


def test_the_patches_of_a_transformer_count(tmp_path):
    for part, config in (("vae", {"block_out_channels": [8, 8, 8, 8]}), ("transformer", {"patch_size": 2})):
        (tmp_path / part).mkdir()
        (tmp_path / part / "config.json").write_text(json.dumps(config))
    assert pixel_step(tmp_path) == 16
    model = load_model("mini-sd", ROOT).model_copy(update={"resolution": 1000})
    with pytest.raises(
        CheckpointError, match="expected a multiple of 16, e.g. 992 or 1008: the networks would drop the remaining 8"
    ):
        require_divisible(model, tmp_path)
