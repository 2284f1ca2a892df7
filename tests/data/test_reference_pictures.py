"""Digests of the crops of reference pictures in every colour mode and file format."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import __version__ as pillow

from diffzero.data.decode import ImageError, decode_image
from diffzero.data.transforms import crop_image

PICTURES = Path(__file__).parents[1] / "files" / "pictures"
DIGESTS = json.loads((PICTURES / "digests.json").read_text())
SETTINGS = {
    "64": (64, None), "512": (512, None), "224": (224, None), "64-then-224": (224, 64), "32-then-512": (512, 32), "64-then-512": (512, 64),
}  # fmt: skip


def test_every_reference_picture_has_its_digests():
    files = {path.name for path in PICTURES.iterdir() if path.suffix not in (".json", ".md")}
    assert set(DIGESTS) == files and all(set(digests) == set(SETTINGS) for digests in DIGESTS.values())


@pytest.mark.parametrize("name", DIGESTS)
def test_crops_of_the_reference_pictures_have_the_stored_digests(name):
    """If a new Pillow fails here, it decodes or resizes differently: raise SCORING_VERSION with it."""
    data = (PICTURES / name).read_bytes()
    found = {
        setting: hashlib.sha256(crop_image(data, name, *sizes).tobytes()).hexdigest()[:16]
        for setting, sizes in SETTINGS.items()
    }
    assert found == DIGESTS[name], f"Pillow {pillow} gives other pixels than 13.0.0"


def test_depth_and_container_do_not_change_the_reference_crops():
    deep = [DIGESTS[f"grey16{kind}"] for kind in (".png", "-little.tif", "-big.tif", "-white-is-zero.tif")]
    assert all(digests == deep[0] for digests in deep)
    assert DIGESTS["rgb16.png"] == DIGESTS["photo.png"] and DIGESTS["rgba.png"] == DIGESTS["transparent.webp"]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF", "ignore:Truncated File")
@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(DIGESTS)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    st.floats(0.2, 1),
)
def test_a_damaged_file_is_decoded_or_named(name, changes, kept):
    data = bytearray((PICTURES / name).read_bytes())
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    try:
        image = decode_image(bytes(data[: max(1, int(kept * len(data)))]), "damaged")
    except ImageError as error:
        assert str(error).startswith("image damaged: ")
    else:
        assert image.mode == "RGB"
