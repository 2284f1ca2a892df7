"""Captions of the mini models: true, short enough, and without held-out pairs."""

import numpy as np
import pandas as pd

from diffzero.binding.scenes import sample_scene
from diffzero.binding.tasks import TASKS, make_example
from diffzero.training import nets
from diffzero.training.captions import DIGIT_FORMS, FASHION, FASHION_FORMS, class_caption, corpus, scene_caption
from diffzero.training.data import scene_objects
from diffzero.training.recipe import DATA_MIXES
from mini_captions import sample_captions, scene_row

# Literal, because a test that reads these from the module cannot detect a change there.
HELD_OUT_NAMES = ("red cube", "cyan cube", "blue sphere", "yellow sphere", "green cylinder", "purple cylinder")


def test_no_caption_has_a_held_out_pair():
    captions = [*sample_captions(5000), *corpus()]
    assert any("red sphere" in caption for caption in captions)
    assert not [caption for caption in captions for name in HELD_OUT_NAMES if name in caption]


def test_all_captions_and_prompts_fit_into_the_text_encoders(clip_tokenizer, t5_tokenizer):
    texts = sample_captions(1500)
    texts += [class_caption(form, name) for form in FASHION_FORMS for name in FASHION]
    texts += [class_caption(form, str(digit)) for form in DIGIT_FORMS for digit in range(10)]
    texts += [prompt for prompt in binding_prompts() if prompt]
    for tokenizer in (clip_tokenizer, t5_tokenizer):
        assert max(len(ids) for ids in tokenizer([text.lower() for text in texts])["input_ids"]) <= nets.TOKENS


def binding_prompts() -> list[str]:
    """Return prompts of all binding tasks on scenes with any pair, held-out ones included."""
    prompts = []
    for index in range(30):
        scene = sample_scene(12, index)
        for task in TASKS:
            if "Size" not in task.attributes or scene.objects[0].size != scene.objects[1].size:
                example = make_example(task, scene, 0)
                prompts += [example.positive, example.negative]
    return prompts


def test_scene_captions_are_true():
    rng = np.random.default_rng(1)
    for index in range(150):
        row = scene_row(index)
        left, right = scene_objects(pd.Series(row))
        for part in scene_caption((left, right), DATA_MIXES["broad"], rng).lower().rstrip(".").split(" and "):
            words = set(part.split())
            facts = [{f"{row[f'{side}_{name}']}" for name in ("shape", "colour", "size")} for side in ("left", "right")]
            claims = words - {"on", "the", "is", "a", "object", "left", "right"}
            sides = words & {"left", "right"} or {"left", "right"}
            assert any(claims <= facts[("left", "right").index(side)] for side in sides), (part, row)
