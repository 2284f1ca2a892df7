"""Tokenizers and networks of the mini models: vocabulary, sizes and channels."""

import json
import re
from pathlib import Path

import open_clip
import pytest
import torch

from diffzero.training import nets
from diffzero.training.captions import DIGIT_FORMS, class_caption, corpus
from mini_captions import sample_captions

MODELS = Path(__file__).parents[2] / "resources" / "models"


def test_each_word_of_the_corpus_is_one_clip_token(clip_tokenizer):
    words = {word for text in corpus() for word in re.findall(r"[a-z]+|\d", text.lower())}
    assert {"sneaker", "cylinder", "handwritten", "7"} <= words
    assert {word: clip_tokenizer.tokenize(word) for word in words} == {word: [word + "</w>"] for word in words}


def test_each_word_of_the_corpus_is_one_t5_token(t5_tokenizer):
    words = {word for text in corpus() for word in re.findall(r"[a-z-]+", text.lower())}
    assert {word: t5_tokenizer.tokenize(word) for word in words} == {word: ["\u2581" + word] for word in words}


def test_fitting_the_tokenizers_again_gives_the_shipped_ones(clip_tokenizer, t5_tokenizer):
    for fitted, model in ((clip_tokenizer, "mini-sd"), (t5_tokenizer, "mini-if")):
        shipped = type(fitted).from_pretrained(MODELS / model / "tokenizer")
        ours, theirs = (json.loads(tokenizer.backend_tokenizer.to_str())["model"] for tokenizer in (fitted, shipped))
        assert ours["vocab"] == theirs["vocab"] and ours.get("merges") == theirs.get("merges")


@pytest.mark.parametrize("digit", "0123456789")
def test_a_digit_is_the_same_t5_token_in_every_caption_form(t5_tokenizer, digit):
    """With one token in quotes and another as a word, the model learns each from half of the captions and confuses digits."""
    for form in DIGIT_FORMS:
        assert digit in t5_tokenizer.tokenize(class_caption(form, digit)), form


def test_printable_ascii_has_no_unknown_token_and_unknown_words_differ(clip_tokenizer, t5_tokenizer):
    printable = " ".join(map(chr, range(33, 127)))
    for text in (printable.lower(), printable.replace(" ", "").lower(), "a lion~{zebra}!", "wxyz"):
        assert t5_tokenizer.unk_token_id not in t5_tokenizer(text)["input_ids"]
    for tokenizer in (clip_tokenizer, t5_tokenizer):
        assert tokenizer("a zebra")["input_ids"] != tokenizer("a zebu")["input_ids"]
    # CLIP's unknown token is its end token, which must occur only at the end.
    for text in (printable, "\u00e9t\u00e9 \u732b \U0001f408"):
        assert clip_tokenizer(text)["input_ids"].count(clip_tokenizer.eos_token_id) == 1


def test_both_tokenizers_append_their_end_token_and_clips_ignores_case(clip_tokenizer, t5_tokenizer):
    for tokenizer in (clip_tokenizer, t5_tokenizer):
        ids = tokenizer("a photo of a bag.")["input_ids"]
        assert ids[-1] == tokenizer.eos_token_id and len(ids) < nets.TOKENS
    assert clip_tokenizer("A Photo")["input_ids"] == clip_tokenizer("a photo")["input_ids"]


def test_saved_tokenizers_give_the_same_ids_when_loaded(clip_tokenizer, t5_tokenizer, tmp_path):
    for tokenizer in (clip_tokenizer, t5_tokenizer):
        tokenizer_dir = tmp_path / type(tokenizer).__name__
        tokenizer.save_pretrained(tokenizer_dir)
        loaded = type(tokenizer).from_pretrained(tokenizer_dir)
        for caption in sample_captions(100):
            assert loaded(caption.lower())["input_ids"] == tokenizer(caption.lower())["input_ids"]
        assert loaded.model_max_length == nets.TOKENS


def count_parameters(*modules: torch.nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.state_dict().values())


def test_weights_in_half_precision_stay_below_16_mb(clip_tokenizer, t5_tokenizer):
    limit = 16_000_000 - 500_000  # tokenizer, configurations and headers beside the weights
    assert 2 * count_parameters(nets.sd_unet(), nets.autoencoder(), nets.clip_text_model(clip_tokenizer)) < limit
    assert 2 * count_parameters(nets.if_unet(), nets.t5_encoder(t5_tokenizer)) < limit
    assert 2 * count_parameters(open_clip.CLIP(**nets.CLIP_CONFIG["model_cfg"])) < limit


def test_the_pixel_model_outputs_a_variance_and_the_latent_model_has_the_vaes_channels():
    unet, vae = nets.sd_unet().config, nets.autoencoder().config
    assert unet.in_channels == unet.out_channels == vae.latent_channels
    assert (nets.if_unet().config.in_channels, nets.if_unet().config.out_channels) == (3, 6)
