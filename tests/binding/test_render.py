"""Rendering agrees with the metadata and gives the same bytes in every shard and process."""

import io
from dataclasses import replace

import drjit
import mitsuba
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from diffzero.binding.render import mitsuba_scene, render, render_scenes
from diffzero.binding.scene_table import scenes_from_frame
from diffzero.binding.scenes import Scene, bounding_boxes, sample_scene

# Literal, from the sRGB bytes that CLEVR's generator publishes; not read from the module under test.
CLEVR_RGB = {
    "gray": (87, 87, 87),
    "red": (173, 35, 35),
    "blue": (42, 75, 215),
    "green": (29, 105, 20),
    "brown": (129, 74, 25),
    "purple": (129, 38, 192),
    "cyan": (41, 208, 208),
    "yellow": (255, 238, 51),
}


def depth(scene: Scene, keep: tuple[int, ...], resolution: int = 64) -> np.ndarray:
    """Return the distance along one ray per pixel, with only the objects of `keep` on the floor; rays do not depend on `keep`."""
    world = mitsuba_scene(replace(scene, objects=tuple(scene.objects[k] for k in keep)), resolution, 1)
    world["integrator"] = {"type": "aov", "aovs": "depth:depth"}
    world["sensor"]["sampler"] = {"type": "independent", "sample_count": 1}
    return np.array(mitsuba.render(mitsuba.load_dict(world), seed=1))[..., -1]


def box(scene: Scene, k: int) -> np.ndarray:
    item = scene.objects[k]
    return bounding_boxes(item.shape, item.size, np.array([[item.x, item.y]]), np.array([item.rotation]), scene.view)[0]


def test_objects_are_not_occluded_and_bounding_boxes_contain_them():
    for index in range(12):
        scene = sample_scene(5, index)
        floor, both = depth(scene, ()), depth(scene, (0, 1))
        for k, item in enumerate(scene.objects):
            alone = depth(scene, (k,))
            own = alone != floor
            assert (both[own] == alone[own]).mean() == item.visible == 1.0
            rows, columns = np.nonzero(own)
            x0, y0, x1, y1 = box(scene, k) * 64
            assert x0 - 1 < columns.min() and columns.max() < x1 + 1
            assert y0 - 1 < rows.min() and rows.max() < y1 + 1
            # The box is also tight, within two of 64 pixels.
            assert columns.max() + 1 - columns.min() > x1 - x0 - 3
            assert rows.max() + 1 - rows.min() > y1 - y0 - 3


def test_each_object_has_its_colour_at_the_position_in_the_metadata():
    for index in range(16):
        scene = sample_scene(7, index)
        picture = render(scene, 32, 16).astype(float)
        for item, other in (scene.objects, scene.objects[::-1]):
            row, column = int(item.pixel_y * 32), int(item.pixel_x * 32)
            patch = picture[row - 1 : row + 2, column - 1 : column + 2].mean(axis=(0, 1))
            hue = patch / np.linalg.norm(patch)
            likeness = {c: hue @ np.array(CLEVR_RGB[c]) / np.linalg.norm(CLEVR_RGB[c]) for c in CLEVR_RGB}
            assert likeness[item.colour] > likeness[other.colour], (index, item, patch)


def test_rendering_twice_gives_the_same_bytes():
    scene = sample_scene(0, 3)
    first = render(scene, 24, 9)
    assert first.shape == (24, 24, 3) and first.dtype == np.uint8
    assert np.array_equal(first, render(scene, 24, 9))


def test_more_samples_change_little():
    scene = sample_scene(0, 1)
    difference = np.abs(render(scene, 32, 36).astype(float) - render(scene, 32, 256))
    assert difference.mean() < 3


def test_scenes_do_not_depend_on_shards_and_survive_the_table():
    whole = render_scenes(2, range(4), 16, 4)
    parts = pd.concat([render_scenes(2, [3, 2], 16, 4), render_scenes(2, [0, 1], 16, 4)])
    pd.testing.assert_frame_equal(whole, parts.sort_values("scene").reset_index(drop=True))
    picture = np.asarray(Image.open(io.BytesIO(whole["image"][1])))
    assert np.array_equal(picture, render(sample_scene(2, 1), 16, 4))
    for read, drawn in zip(scenes_from_frame(whole), [sample_scene(2, index) for index in range(4)], strict=True):
        assert (read.index, read.seed, read.held_out) == (drawn.index, drawn.seed, drawn.held_out)
        for a, b in zip(read.objects, drawn.objects, strict=True):
            assert vars(a).items() <= vars(b).items()


def test_no_scenes_are_refused():
    with pytest.raises(ValueError, match="no scene to render"):
        render_scenes(0, [], 8, 1)


@pytest.mark.parametrize("resolution", [24, 32, 64])
def test_a_scene_is_the_same_on_a_machine_with_more_cores(resolution):
    """The size of drjit's thread pool simulates the number of cores: Mitsuba renders at least as many blocks as it has threads."""
    scene, threads = sample_scene(0, 3), drjit.thread_count()
    try:
        pictures = []
        for cores in (1, 2, 16, 64):
            drjit.set_thread_count(cores)
            pictures.append(render(scene, resolution, 4).tobytes())
    finally:
        drjit.set_thread_count(threads)
    assert len(set(pictures)) == 1
