"""Two-object scenes after CLEVR (Johnson et al. 2017): vocabulary, geometry and sampling. `render` draws them.

A scene is a function of `(seed, index)` and the allowed pairs, in any shard. World axes: x to the right, y away from the camera,
z up, floor at z = 0. Positions in the image are fractions of the frame with the origin at the top left.
"""

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from diffzero.typing import Floats

SHAPES = ("cube", "sphere", "cylinder")
SIZES = ("small", "large")
MATERIALS = ("rubber", "metal")
POSITIONS = ("left", "right")
# sRGB bytes of clevr-dataset-gen, image_generation/data/properties.json
COLOUR_RGB = {
    "blue": (42, 75, 215),
    "cyan": (41, 208, 208),
    "brown": (129, 74, 25),
    "gray": (87, 87, 87),
    "green": (29, 105, 20),
    "purple": (129, 38, 192),
    "red": (173, 35, 35),
    "yellow": (255, 238, 51),
}
COLOURS = tuple(COLOUR_RGB)

VOCABULARY = {"shape": SHAPES, "colour": COLOURS, "size": SIZES, "material": MATERIALS}

Pair = tuple[str, str]  # (shape, colour)
PAIRS: tuple[Pair, ...] = tuple(product(SHAPES, COLOURS))
# Pairs that occur in no training image or caption of the mini models. Two per shape and six different colours: every shape and
# every colour occurs in training, and only the combination is new.
_HELD_OUT_COLOURS = {"cube": ("red", "cyan"), "sphere": ("blue", "yellow"), "cylinder": ("green", "purple")}
HELD_OUT: frozenset[Pair] = frozenset((shape, colour) for shape, two in _HELD_OUT_COLOURS.items() for colour in two)
SEEN_PAIRS: tuple[Pair, ...] = tuple(pair for pair in PAIRS if pair not in HELD_OUT)

# World units. CLEVR's small radius is 0.35; ours is larger, so that a small cube keeps its edges at 32 x 32 pixels.
RADIUS = {"small": 0.43, "large": 0.7}
CUBE_HALF_SIDE = 0.76  # relative to the radius: a rotated cube then looks about as large as the sphere
CYLINDER_RADIUS, CYLINDER_HALF_HEIGHT = 0.88, 0.86  # relative to the radius
FRAME_WIDTH = 3.5  # world units across the frame at the camera's target
TARGET_HEIGHT = 0.45
MARGIN = 0.015  # minimum distance to the frame's border and between the two boxes, as a fraction of the frame
MIN_GAP = 0.3  # minimum distance of the two centres along the image's x axis, same unit
BATCH, BATCHES = 256, 20  # placements tried before sampling fails


@dataclass(frozen=True)
class ObjectRecord:
    """One object of a scene table: its attributes, and its centre in the image as fractions of the frame.

    None means that the source of the scene does not contain the attribute.
    """

    shape: str
    colour: str
    size: str | None
    material: str | None
    position: str | None
    pixel_x: float
    pixel_y: float
    visible: float


@dataclass(frozen=True)
class SceneObject(ObjectRecord):
    """One object with its position on the floor: centre in world units, rotation about z in degrees."""

    size: str
    material: str
    position: str
    x: float
    y: float
    rotation: float


@dataclass(frozen=True)
class View:
    """Camera (angles in degrees, distance in world units) and key light (world coordinates) with random jitter."""

    azimuth: float
    elevation: float
    distance: float
    light: tuple[float, float, float]

    def axes(self) -> tuple[Floats, Floats]:
        """Return the camera's origin [3] and its axes right, up, forward [3, 3], in world coordinates."""
        azimuth, elevation = math.radians(self.azimuth), math.radians(self.elevation)
        forward = np.array(
            [math.sin(azimuth) * math.cos(elevation), math.cos(azimuth) * math.cos(elevation), -math.sin(elevation)]
        )
        right = np.array([math.cos(azimuth), -math.sin(azimuth), 0.0])
        origin = np.array([0.0, 0.0, TARGET_HEIGHT]) - self.distance * forward
        return origin, np.stack([right, np.cross(right, forward), forward])

    def project(self, points: Floats) -> Floats:
        """Return the image positions [..., 2] of world points [..., 3], as fractions of the frame."""
        origin, axes = self.axes()
        right, up, depth = np.moveaxis((points - origin) @ axes.T, -1, 0)
        scale = self.distance / (FRAME_WIDTH * depth)
        return np.stack([0.5 + right * scale, 0.5 - up * scale], axis=-1)


@dataclass(frozen=True)
class SceneRecord:
    """Two objects, the left one first if positions are known: everything that a caption needs."""

    index: int
    seed: int
    objects: tuple[ObjectRecord, ObjectRecord]

    @property
    def held_out(self) -> bool:
        """Return whether at least one object is a held-out (shape, colour) pair."""
        return any((item.shape, item.colour) in HELD_OUT for item in self.objects)


@dataclass(frozen=True)
class Scene(SceneRecord):
    """Two objects of different shape and colour, the left one first, and the view."""

    objects: tuple[SceneObject, SceneObject]
    view: View


def centre_height(shape: str, size: str) -> float:
    """Return the height of an object's centre above the floor, in world units."""
    share = {"cube": CUBE_HALF_SIDE, "cylinder": CYLINDER_HALF_HEIGHT, "sphere": 1.0}[shape]
    return share * RADIUS[size]


def bounding_boxes(shape: str, size: str, xy: Floats, rotation: Floats, view: View) -> Floats:
    """Return the image boxes [n, 4] (x0, y0, x1, y1; fractions) of a shape at floor positions `xy` [n, 2].

    `rotation` [n] is in degrees.
    """
    radius, rise = RADIUS[size], centre_height(shape, size)
    corners = 4 if shape == "cube" else 32
    # Shifted by half a step: a cube that is not rotated has its faces, not its corners, on the axes.
    angle = 2 * np.pi * (np.arange(corners) + 0.5) / corners + np.radians(rotation)[:, None]
    if shape == "sphere":
        # A sphere's outline is a circle facing the camera, a little larger than the equator because the camera is near.
        apparent = radius / math.sqrt(1 - (radius / (view.distance - radius)) ** 2)
        _, axes = view.axes()
        outline = apparent * (np.cos(angle)[..., None] * axes[0] + np.sin(angle)[..., None] * axes[1])
    else:
        ring = radius * (CUBE_HALF_SIDE * math.sqrt(2) if shape == "cube" else CYLINDER_RADIUS)
        flat = np.stack([ring * np.cos(angle), ring * np.sin(angle), np.zeros_like(angle)], axis=-1)
        outline = np.concatenate([flat + [0, 0, rise], flat - [0, 0, rise]], axis=1)
    centre = np.concatenate([xy, np.full((len(xy), 1), rise)], axis=1)
    image = view.project(outline + centre[:, None])
    return np.concatenate([image.min(axis=1), image.max(axis=1)], axis=1)


@functools.lru_cache
def _list_couples(pairs: tuple[Pair, ...]) -> tuple[tuple[Pair, Pair], ...]:
    """Return all unordered couples of pairs that differ in shape and colour. Raises ValueError if there is none."""
    unknown = [pair for pair in pairs if pair not in PAIRS]
    if unknown:
        raise ValueError(
            f"pairs: found {unknown[0]}, expected (shape, colour) with a shape of {SHAPES} and a colour of {COLOURS}."
        )
    couples = tuple(c for c in combinations(pairs, 2) if c[0][0] != c[1][0] and c[0][1] != c[1][1])
    if not couples:
        raise ValueError(
            f"pairs: found {list(pairs)}, no two of which differ in both shape and colour, as a scene's objects must; "
            "allow at least 2 shapes and 2 colours, e.g. pairs=PAIRS."
        )
    return couples


def _sample_view(rng: np.random.Generator) -> View:
    """Sample a camera and a key light around their mean positions."""
    light = (-3.0, -4.0, 6.5) + rng.uniform(-1.0, 1.0, 3)
    azimuth, elevation, distance = rng.uniform((-12.0, 28.0, 8.0), (12.0, 35.0, 9.0))
    return View(float(azimuth), float(elevation), float(distance), (float(light[0]), float(light[1]), float(light[2])))


def _sample_placement(
    attributes: Sequence[tuple[Pair, str]], view: View, rng: np.random.Generator, where: str
) -> tuple[Floats, Floats]:
    """Sample floor positions [2, 2] and rotations [2] until both objects are inside the frame and apart, left before right."""
    for _ in range(BATCHES):
        x = rng.uniform((-1.4, 0.35), (-0.35, 1.4), (BATCH, 2))
        xy = np.stack([x, rng.uniform(-0.8, 0.8, (BATCH, 2))], axis=-1)
        rotation = rng.uniform(0.0, 360.0, (BATCH, 2))
        left, right = (
            bounding_boxes(pair[0], size, xy[:, k], rotation[:, k], view) for k, (pair, size) in enumerate(attributes)
        )
        both = np.concatenate([left, right], axis=1)
        inside = (both.min(axis=1) > MARGIN) & (both.max(axis=1) < 1 - MARGIN)
        # Boxes must not overlap along x: then no object occludes the other, and "left" is unambiguous.
        apart = left[:, 2] + MARGIN < right[:, 0]
        gap = (right[:, 0] + right[:, 2] - left[:, 0] - left[:, 2]) / 2 > MIN_GAP
        good = np.flatnonzero(inside & apart & gap)
        if good.size:
            return xy[good[0]], rotation[good[0]]
    raise ValueError(f"{where}: found no placement of the two objects in {BATCH * BATCHES} tries. Use another index.")


def sample_attributes(
    seed: int, index: int, pairs: Iterable[Pair]
) -> tuple[np.random.Generator, list[tuple[Pair, str]]]:
    """Return a scene's generator and its first samples: ((shape, colour), size) of the left and of the right object."""
    # Sorted, so that a scene does not depend on the order in which the caller lists the pairs.
    couples = _list_couples(tuple(sorted(set(pairs))))
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, index], dtype=np.uint64)))
    couple = couples[rng.integers(len(couples))]
    ordered = couple if rng.integers(2) else couple[::-1]
    # Attributes come first and are never sampled again: rejecting whole scenes would make large objects rare.
    return rng, [(pair, SIZES[rng.integers(2)]) for pair in ordered]


def sample_scene(seed: int, index: int, pairs: Iterable[Pair] = PAIRS) -> Scene:
    """Sample scene `index` of `seed`, with objects from the allowed (shape, colour) pairs.

    Every couple of pairs that differs in shape and colour is equally likely; sizes and materials are independent.

    Raises
    ------
    ValueError
        If no couple is possible, seed or index is negative, or no placement was found.
    """
    if seed < 0 or index < 0:
        raise ValueError(f"scene: found seed {seed} and index {index}, expected 0 or more for both.")
    rng, attributes = sample_attributes(seed, index, pairs)
    materials = [MATERIALS[rng.integers(2)] for _ in attributes]
    view = _sample_view(rng)
    xy, rotation = _sample_placement(attributes, view, rng, f"scene {index} of seed {seed}")
    objects = []
    for k, ((shape, colour), size) in enumerate(attributes):
        pixel_x, pixel_y = view.project(np.array([*xy[k], centre_height(shape, size)]))
        floor = (float(xy[k, 0]), float(xy[k, 1]), float(rotation[k]))
        # The visible share is 1: boxes do not overlap and are inside the frame.
        image = (float(pixel_x), float(pixel_y), 1.0)
        objects.append(SceneObject(shape, colour, size, materials[k], POSITIONS[k], *image, *floor))
    return Scene(index, seed, (objects[0], objects[1]), view)
