"""Physically based rendering of two-object scenes with Mitsuba 3."""

import functools
import io
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from diffzero.binding.scene_table import FIELDS, column_name
from diffzero.binding.scenes import (
    COLOUR_RGB,
    CYLINDER_RADIUS,
    FRAME_WIDTH,
    PAIRS,
    RADIUS,
    Pair,
    Scene,
    SceneObject,
    centre_height,
    sample_scene,
)

FLOOR_REFLECTANCE = 0.42


@functools.cache
def _import_mitsuba() -> Any:
    # Imported when it is used: it takes long, and most jobs render nothing.
    import mitsuba

    mitsuba.set_variant("scalar_rgb")
    # Mitsuba would warn once per picture that it rounds the number of samples up to a full grid.
    mitsuba.set_log_level(mitsuba.LogLevel.Error)
    return mitsuba


def _to_linear_rgb(colour: str) -> list[float]:
    """Convert a colour's sRGB bytes to linear RGB reflectance (IEC 61966-2-1)."""
    value = np.array(COLOUR_RGB[colour]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).tolist()


def _describe_surface(colour: str, material: str) -> dict[str, Any]:
    rgb = {"type": "rgb", "value": _to_linear_rgb(colour)}
    if material == "rubber":
        return {"type": "diffuse", "reflectance": rgb}
    return {"type": "principled", "base_color": rgb, "metallic": 0.35, "roughness": 0.28, "specular": 0.9}


def _describe_solids(item: SceneObject) -> list[dict[str, Any]]:
    """Return the Mitsuba shapes of one object."""
    mi = _import_mitsuba()
    radius, rise = RADIUS[item.size], centre_height(item.shape, item.size)
    surface = _describe_surface(item.colour, item.material)
    centre = mi.ScalarTransform4f().translate([item.x, item.y, rise])
    if item.shape == "sphere":
        return [{"type": "sphere", "center": [item.x, item.y, rise], "radius": radius, "bsdf": surface}]
    if item.shape == "cube":
        rotated = centre @ mi.ScalarTransform4f().rotate([0, 0, 1], item.rotation).scale(rise)
        return [{"type": "cube", "to_world": rotated, "bsdf": surface}]
    width = CYLINDER_RADIUS * radius
    # Mitsuba's cylinder is an open tube: a disk closes its top.
    tube = {"type": "cylinder", "p0": [item.x, item.y, 0], "p1": [item.x, item.y, 2 * rise], "radius": width}
    lid = mi.ScalarTransform4f().translate([item.x, item.y, 2 * rise]).scale([width, width, 1])
    return [tube | {"bsdf": surface}, {"type": "disk", "to_world": lid, "bsdf": surface}]


def render_block_size(resolution: int) -> int:
    """Return the side in pixels of the blocks that Mitsuba renders, a power of two.

    By default Mitsuba shrinks blocks until every thread has one. As noise is seeded per block, the picture would then depend on the
    number of cores.
    """
    return 1 << min(5, max(resolution // 2, 1).bit_length() - 1)


def mitsuba_scene(scene: Scene, resolution: int, spp: int) -> dict[str, Any]:
    """Return Mitsuba's description of a scene: objects, floor, key light, fill light and camera."""
    mi = _import_mitsuba()
    transform = mi.ScalarTransform4f()
    origin, axes = scene.view.axes()
    camera = transform.look_at(origin=origin.tolist(), target=(origin + axes[2]).tolist(), up=[0, 0, 1])
    lamp = transform.look_at(origin=list(scene.view.light), target=[0, 0, 0], up=[0, 0, 1]).scale([0.9, 0.9, 1])
    grey = {"type": "rgb", "value": FLOOR_REFLECTANCE}
    world: dict[str, Any] = {
        "type": "scene",
        # Direct light only: reflections from metal speckle the floor (caustics) at any affordable number of samples.
        "integrator": {"type": "path", "max_depth": 2, "block_size": render_block_size(resolution)},
        "sensor": {
            "type": "perspective",
            "fov": math.degrees(2 * math.atan(FRAME_WIDTH / (2 * scene.view.distance))),
            "to_world": camera,
            "film": {"type": "hdrfilm", "width": resolution, "height": resolution, "rfilter": {"type": "box"}},
            "sampler": {"type": "multijitter", "sample_count": spp},
        },
        "floor": {
            "type": "rectangle",
            "to_world": transform.scale([40, 40, 1]),
            "bsdf": {"type": "diffuse", "reflectance": grey},
        },
        "key": {
            "type": "rectangle",
            "to_world": lamp,
            "emitter": {"type": "area", "radiance": {"type": "rgb", "value": 36.0}},
        },
        "fill": {"type": "constant", "radiance": {"type": "rgb", "value": 0.75}},
    }
    for item in scene.objects:
        world |= {f"{item.position}{k}": solid for k, solid in enumerate(_describe_solids(item))}
    return world


def render(scene: Scene, resolution: int, spp: int) -> NDArray[np.uint8]:
    """Render a scene to a picture [resolution, resolution, 3], uint8 sRGB.

    `spp` is the number of paths per pixel, rounded up to a full grid; 32 leave a noise of about 2 grey levels at 32 x 32. The sampler's
    seed is a function of the scene, so that the same arguments give the same bytes.
    """
    mi = _import_mitsuba()
    noise = int(np.random.SeedSequence((scene.seed, scene.index)).generate_state(1)[0])
    linear = np.array(mi.render(mi.load_dict(mitsuba_scene(scene, resolution, spp)), seed=noise))[..., :3]
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(255 * encoded).astype(np.uint8)


def render_scenes(
    seed: int, indices: Iterable[int], resolution: int, spp: int, pairs: Iterable[Pair] = PAIRS
) -> pd.DataFrame:
    """Render scenes to a scene table.

    Parameters
    ----------
    seed : int
        Seed of the scenes.
    indices : iterable of int
        Their indices.
    resolution, spp : int
        As for `render`.
    pairs : iterable of (shape, colour)
        The allowed pairs.

    Returns
    -------
    DataFrame
        One row per scene: scene and seed (int), held_out (bool), image (PNG bytes), and for left and right object the columns of
        `scene_table.FIELDS`: shape, colour, size and material (str), x, y and visible (float, fractions).

    Raises
    ------
    ValueError
        If `indices` is empty, or as `sample_scene`.
    """
    allowed = tuple(pairs)
    rows = []
    for index in indices:
        scene = sample_scene(seed, index, allowed)
        png = io.BytesIO()
        Image.fromarray(render(scene, resolution, spp)).save(png, format="PNG")
        row = {"scene": index, "seed": seed, "held_out": scene.held_out, "image": png.getvalue()}
        for item in scene.objects:
            row |= {column_name(item.position, field): getattr(item, name) for field, name in FIELDS.items()}
        rows.append(row)
    if not rows:
        raise ValueError("indices: found no scene to render, expected at least one, e.g. indices=range(100).")
    return pd.DataFrame(rows)
