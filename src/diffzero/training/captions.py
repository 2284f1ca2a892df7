"""Captions of the mini models' training images. All three models use the same grammar."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from diffzero.binding.scenes import COLOURS, HELD_OUT, POSITIONS, SHAPES, SIZES
from diffzero.training.recipe import DataMix

FASHION = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
# The first form of each list is the prompt of the demo's data sets; the others prevent a model from memorising one sentence.
FASHION_FORMS = ("a photo of a {name}.", "a photo of the {name}.", "{a_name}", "a picture of {a_name}.", "{name}")
DIGIT_FORMS = (
    'a photo of the number: "{name}".',
    "the number {name}.",
    "a handwritten {name}.",
    "the digit {name}",
    "{name}",
)


def class_caption(form: str, name: str) -> str:
    """Return a caption of a class; `{a_name}` in the form is the name with its indefinite article."""
    return form.format(name=name, a_name=f"an {name}" if name[0] in "aeiou" else f"a {name}")


def object_caption(obj: dict[str, str], attributes: set[str]) -> str:
    """Describe one object as the binding tasks do (paper, appendix on attribute binding), without a full stop."""
    start = f"On the {obj['position']} is a " if "position" in attributes else "A "
    words = [obj[name] for name in ("size", "colour") if name in attributes]
    return start + " ".join([*words, obj["shape"] if "shape" in attributes else "object"])


def choose_attributes(mix: DataMix, rng: np.random.Generator) -> set[str]:
    """Sample the attributes that a caption mentions: one to four."""
    number = rng.choice([1, 2, 3, 4], p=mix.attributes)
    return set(rng.choice(["shape", "colour", "size", "position"], number, replace=False, p=mix.words))


def scene_caption(objects: tuple[dict[str, str], dict[str, str]], mix: DataMix, rng: np.random.Generator) -> str:
    """Sample a caption of a two-object scene: one object or both, in either order, with some of their attributes."""
    first, second = objects if rng.random() < 0.5 else objects[::-1]
    attributes = choose_attributes(mix, rng)
    if rng.random() < mix.one_object:
        return object_caption(first, attributes) + "."
    other = object_caption(second, attributes)
    return f"{object_caption(first, attributes)} and {other[0].lower()}{other[1:]}."


def corpus() -> Iterator[str]:
    """Yield captions with every word and form, for fitting the tokenizers; none has a held-out pair."""
    for form, name in product(FASHION_FORMS, FASHION):
        yield class_caption(form, name)
    for form, digit in product(DIGIT_FORMS, range(10)):
        yield class_caption(form, str(digit))
    for shape, colour, size, position in product(SHAPES, COLOURS, SIZES, POSITIONS):
        if (shape, colour) not in HELD_OUT:
            obj = {"shape": shape, "colour": colour, "size": size, "position": position}
            everything = object_caption(obj, {"shape", "colour", "size", "position"})
            yield f"{object_caption(obj, {'size'})} and {everything[0].lower()}{everything[1:]}."
