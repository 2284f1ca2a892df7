"""The mini models' data, words and sizes: what their accuracy may rest on."""

import io
import json
import re
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from transformers import CLIPTokenizer, T5Tokenizer

from diffzero.binding.render import render_scenes
from diffzero.binding.scenes import SEEN_PAIRS, sample_scene
from diffzero.binding.tasks import TASKS, make_example
from diffzero.data.sources.digits import load_digit_table
from diffzero.training import data as mini_data
from diffzero.training import nets as mini
from diffzero.training import trainers
from diffzero.training.captions import DIGIT_FORMS, FASHION, FASHION_FORMS, class_caption, corpus, scene_caption
from diffzero.training.data import TrainingSet
from diffzero.training.loop import WARM_UP, learning_rate, train_loop
from diffzero.training.recipe import DATA_MIXES, TRAINING_STAGES, TrainConfig
from diffzero.training.trainers import truncated_snr_weight

MODELS = Path(__file__).parents[2] / "resources" / "models"
# Literal: a test that read these from the module would believe whatever it says.
HELD_OUT_NAMES = ("red cube", "cyan cube", "blue sphere", "yellow sphere", "green cylinder", "purple cylinder")


@pytest.fixture(scope="module")
def clip_tokenizer() -> CLIPTokenizer:
    return mini.clip_tokenizer(corpus())


@pytest.fixture(scope="module")
def t5_tokenizer() -> T5Tokenizer:
    return mini.t5_tokenizer(corpus())


@pytest.fixture(scope="module")
def training_set(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    """Real digits, ten grey squares for fashion and three scenes."""
    folder = tmp_path_factory.mktemp("mini")
    squares = []
    for label in range(10):
        stream = io.BytesIO()
        Image.new("L", (28, 28), 20 * label).save(stream, format="PNG")
        squares.append({"bytes": stream.getvalue(), "label": label})
    pd.DataFrame(squares).to_parquet(folder / "fashion.parquet")
    for shard in (0, 1):
        indices = range(shard, 3, 2)
        render_scenes(0, indices, 32, 1, SEEN_PAIRS).to_parquet(folder / f"scenes-{shard}.parquet")
    scenes = [folder / "scenes-0.parquet", folder / "scenes-1.parquet"]
    return mini_data.load_training_set(folder / "fashion.parquet", scenes, DATA_MIXES["broad"])


def sampled_captions(count: int) -> list[str]:
    rng = np.random.default_rng(0)
    scenes = [pd.Series(scene_row(index)) for index in range(200)]
    mixtures = [DATA_MIXES[name] for name in sorted(DATA_MIXES)]
    return [
        scene_caption(mini_data.scene_objects(scenes[n % 200]), mixtures[n % len(mixtures)], rng) for n in range(count)
    ]


def scene_row(index: int) -> dict[str, str]:
    """The attribute columns of a scene's row in a scene table."""
    objects = sample_scene(11, index, SEEN_PAIRS).objects
    return {f"{item.position}_{name}": getattr(item, name) for item in objects for name in ("shape", "colour", "size")}


def test_each_word_of_the_corpus_is_one_clip_token(clip_tokenizer):
    words = {word for text in corpus() for word in re.findall(r"[a-z]+|\d", text.lower())}
    assert {"sneaker", "cylinder", "handwritten", "7"} <= words
    assert {word: clip_tokenizer.tokenize(word) for word in words} == {word: [word + "</w>"] for word in words}


def test_the_tokenizers_are_fitted_to_the_shipped_ones_every_time(clip_tokenizer, t5_tokenizer):
    for fitted, model in ((clip_tokenizer, "mini-sd"), (t5_tokenizer, "mini-if")):
        shipped = type(fitted).from_pretrained(MODELS / model / "tokenizer")
        mine, theirs = (json.loads(tokenizer.backend_tokenizer.to_str())["model"] for tokenizer in (fitted, shipped))
        assert mine["vocab"] == theirs["vocab"] and mine.get("merges") == theirs.get("merges")


def test_each_word_of_the_corpus_is_one_t5_token(t5_tokenizer):
    words = {word for text in corpus() for word in re.findall(r"[a-z-]+", text.lower())}
    assert {word: t5_tokenizer.tokenize(word) for word in words} == {word: ["\u2581" + word] for word in words}


@pytest.mark.parametrize("digit", "0123456789")
def test_a_digit_is_the_same_t5_token_in_every_caption_form(t5_tokenizer, digit):
    """One token in quotes and another as a word halve what is learned from a caption: mini-if once failed on digits for it."""
    for form in DIGIT_FORMS:
        assert digit in t5_tokenizer.tokenize(class_caption(form, digit)), form


def test_the_truncated_snr_weight_turns_an_eps_error_into_an_x_error_where_snr_is_below_one():
    scheduler = mini.if_scheduler()
    alpha_bar = scheduler.alphas_cumprod.double()
    eps_error, steps = 0.3, torch.arange(len(alpha_bar))
    x_error = eps_error * (1 - alpha_bar) / alpha_bar  # of x_hat = (x_t - sigma eps_hat) / alpha
    found = eps_error * truncated_snr_weight(scheduler, steps, 20.0).double()
    low = (alpha_bar < 0.5) & (x_error < eps_error * 19)
    assert low.sum() > 300
    torch.testing.assert_close(found[low], x_error[low], rtol=1e-6, atol=0)
    assert (found[alpha_bar >= 0.5] == found[0]).all()
    assert found.max() == pytest.approx(eps_error * 20)


def test_printable_ascii_has_no_unknown_token_and_other_words_stay_apart(clip_tokenizer, t5_tokenizer):
    printable = " ".join(map(chr, range(33, 127)))
    for text in (printable.lower(), printable.replace(" ", "").lower(), "a lion~{zebra}!", "wxyz"):
        assert t5_tokenizer.unk_token_id not in t5_tokenizer(text)["input_ids"]
    for tokenizer in (clip_tokenizer, t5_tokenizer):
        assert tokenizer("a zebra")["input_ids"] != tokenizer("a zebu")["input_ids"]
    # CLIP's unknown token is its end token, which must stand at the end alone.
    for text in (printable, "\u00e9t\u00e9 \u732b \U0001f408"):
        assert clip_tokenizer(text)["input_ids"].count(clip_tokenizer.eos_token_id) == 1


def test_both_tokenizers_end_with_their_end_token_and_ignore_case(clip_tokenizer, t5_tokenizer):
    for tokenizer in (clip_tokenizer, t5_tokenizer):
        ids = tokenizer("a photo of a bag.")["input_ids"]
        assert ids[-1] == tokenizer.eos_token_id and len(ids) < mini.TOKENS
    assert clip_tokenizer("A Photo")["input_ids"] == clip_tokenizer("a photo")["input_ids"]


def test_saved_tokenizers_read_back_the_same(clip_tokenizer, t5_tokenizer, tmp_path):
    for tokenizer in (clip_tokenizer, t5_tokenizer):
        folder = tmp_path / type(tokenizer).__name__
        tokenizer.save_pretrained(folder)
        back = type(tokenizer).from_pretrained(folder)
        for caption in sampled_captions(100):
            assert back(caption.lower())["input_ids"] == tokenizer(caption.lower())["input_ids"]
        assert back.model_max_length == mini.TOKENS


def test_no_caption_names_a_held_out_pair():
    captions = [*sampled_captions(5000), *corpus()]
    assert any("red sphere" in caption for caption in captions)
    assert not [caption for caption in captions for name in HELD_OUT_NAMES if name in caption]


def test_no_caption_and_no_prompt_is_too_long(clip_tokenizer, t5_tokenizer):
    texts = sampled_captions(1500)
    texts += [class_caption(form, name) for form in FASHION_FORMS for name in FASHION]
    texts += [class_caption(form, str(digit)) for form in DIGIT_FORMS for digit in range(10)]
    texts += [prompt for prompt in binding_prompts() if prompt]
    for tokenizer in (clip_tokenizer, t5_tokenizer):
        assert max(len(ids) for ids in tokenizer([text.lower() for text in texts])["input_ids"]) <= mini.TOKENS


def binding_prompts() -> list[str]:
    """Prompts of all binding tasks on scenes with any pair, held-out ones included."""
    found = []
    for index in range(30):
        scene = sample_scene(12, index)
        for task in TASKS:
            if "Size" not in task.attributes or scene.objects[0].size != scene.objects[1].size:
                made = make_example(task, scene, 0)
                found += [made.positive, made.negative]
    return found


def test_scene_captions_tell_the_truth():
    rng = np.random.default_rng(1)
    for index in range(150):
        row = scene_row(index)
        left, right = mini_data.scene_objects(pd.Series(row))
        for part in scene_caption((left, right), DATA_MIXES["broad"], rng).lower().rstrip(".").split(" and "):
            words = set(part.split())
            facts = [{f"{row[f'{side}_{name}']}" for name in ("shape", "colour", "size")} for side in ("left", "right")]
            claims = words - {"on", "the", "is", "a", "object", "left", "right"}
            sides = words & {"left", "right"} or {"left", "right"}
            assert any(claims <= facts[("left", "right").index(side)] for side in sides), (part, row)


def test_a_batch_is_a_function_of_seed_and_step(training_set):
    pixels, captions = training_set.batch(3, 7, 64)
    training_set.batch(3, 8, 64)
    again = training_set.batch(3, 7, 64)
    assert np.array_equal(pixels, again[0]) and captions == again[1]
    for other in (training_set.batch(3, 8, 64), training_set.batch(4, 7, 64)):
        assert not np.array_equal(pixels, other[0]) and captions != other[1]
    assert pixels.shape == (64, 32, 32, 3) and pixels.dtype == np.uint8


def test_a_batch_mixes_the_domains_and_leaves_a_tenth_without_caption(training_set):
    captions = [caption for step in range(20) for caption in training_set.batch(0, step, 100)[1]]
    shares = pd.Series([domain(caption) for caption in captions]).value_counts(normalize=True)
    # 2000 captions: a standard deviation of about 1 point
    for name, share in {"empty": 0.1, "digits": 0.225, "fashion": 0.27, "scenes": 0.405}.items():
        assert shares[name] == pytest.approx(share, abs=0.045)


def domain(caption: str) -> str:
    if not caption:
        return "empty"
    if re.search(r"\d", caption):
        return "digits"
    return "fashion" if any(name in caption for name in FASHION) else "scenes"


def test_test_digits_are_never_trained_on(training_set):
    trained = training_set.x[training_set.domains["digits"]]
    table = load_digit_table()
    assert len(trained) + len(table) == len(load_digits().target) == 1797
    seen = {picture.tobytes() for picture in trained}
    tested = [mini_data.transforms.crop_image(data, "digit", 32).tobytes() for data in table["bytes"]]
    assert len(tested) == 500 and not seen & set(tested)
    assert (np.bincount(table["label"]) > 30).all()


def test_images_keep_their_captions(training_set):
    rows = training_set.domains["fashion"]
    for label, row in enumerate(rows):
        assert training_set.facts[row][1] == FASHION[label]
        assert (training_set.x[row] == 20 * label).all()
    all_rows = np.concatenate(list(training_set.domains.values()))
    assert np.array_equal(np.sort(all_rows), np.arange(len(training_set.x)))
    assert len(training_set.facts) == len(training_set.x)


def test_scenes_with_held_out_pairs_are_refused(tmp_path):
    fashion = Path(tmp_path / "fashion.parquet")
    pd.DataFrame({"bytes": [], "label": []}).to_parquet(fashion)
    held_out = next(index for index in range(100) if sample_scene(0, index).held_out)
    render_scenes(0, [held_out], 8, 1).to_parquet(tmp_path / "scenes.parquet")
    with pytest.raises(ValueError, match="held-out pairs"):
        mini_data.load_training_set(fashion, [tmp_path / "scenes.parquet"], DATA_MIXES["broad"])


@pytest.mark.parametrize("steps", [2_000, 30_000])
def test_learning_rate_warms_up_and_ends_low(steps):
    rates = np.array([learning_rate(step, steps) for step in range(steps)])
    assert 0 < rates[0] <= 1 / WARM_UP and rates[WARM_UP - 1] == 1.0
    assert (np.diff(rates[:WARM_UP]) > 0).all() and (np.diff(rates[WARM_UP:]) < 0).all()
    assert rates.max() == 1.0 and rates[-1] == pytest.approx(0.02, abs=1e-4)


def train_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, stop_before: int | None = None, steps: int = 10
) -> torch.nn.Module:
    """Steps of a linear model, saved every three; a step that is stopped raises."""
    monkeypatch.setattr("diffzero.training.loop.SAVE_EVERY", 3)
    torch.manual_seed(0)
    line = torch.nn.Linear(4, 2)

    def loss(step: int) -> torch.Tensor:
        if step == stop_before:
            raise InterruptedError
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        return (line(x) - x[:, :2]).square().mean()

    return train_loop(line, loss, TrainConfig(steps, 10, 8, 0.1), lambda average: None, folder / "training.jsonl")


@pytest.mark.parametrize("stop_before", [1, 3, 7, 9])
def test_a_training_that_was_cut_off_ends_with_the_same_weights(stop_before, tmp_path, monkeypatch):
    whole = train_line(tmp_path / "whole", monkeypatch)
    with pytest.raises(InterruptedError):
        train_line(tmp_path / "cut", monkeypatch, stop_before)
    resumed = train_line(tmp_path / "cut", monkeypatch)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    curves = [pd.read_json(tmp_path / name / "training.jsonl", lines=True) for name in ("whole", "cut")]
    assert list(curves[0]["step"]) == list(curves[1]["step"]) == [3, 6, 9, 10]
    # The loss of a stretch is over the steps since the last save, all of which are run again.
    assert np.array_equal(curves[0]["loss"], curves[1]["loss"])


def test_a_training_stopped_before_its_horizon_is_the_beginning_of_the_longer_one(tmp_path, monkeypatch):
    short = train_line(tmp_path / "short", monkeypatch, steps=6)
    whole = train_line(tmp_path / "whole", monkeypatch)
    longer = train_line(tmp_path / "short", monkeypatch)  # continues where the shorter run ended
    assert not torch.equal(short.weight, whole.weight)
    assert torch.equal(longer.weight, whole.weight)
    # And back: a state beyond the end is not used.
    assert torch.equal(train_line(tmp_path / "short", monkeypatch, steps=6).weight, short.weight)


def test_every_mixture_is_one_of_shares_and_every_course_begins_where_another_ends():
    for mixture in DATA_MIXES.values():
        for shares in (mixture.domains.values(), mixture.attributes, mixture.words):
            assert sum(shares) == pytest.approx(1)
    for name, config in TRAINING_STAGES.items():
        assert config.data_mix in DATA_MIXES
        assert config.init_from is None or (config.init_from in TRAINING_STAGES and config.init_from.startswith(name))


def test_a_second_course_goes_on_from_the_first_ones_weights(training_set, tmp_path):
    vae = mini.autoencoder()
    vae.save_pretrained(tmp_path / "vae")
    trainers.train_sd(training_set, tmp_path / "first", TrainConfig(2, 2, 4, 1e-3), None, tmp_path / "vae")
    still = TrainConfig(1, 1, 4, 0.0)  # no learning: what comes out is what went in
    trainers.train_sd(training_set, tmp_path / "second", still, tmp_path / "first", None)
    for part in ("unet/diffusion_pytorch_model", "text_encoder/model", "vae/diffusion_pytorch_model"):
        first, second = (load_file(tmp_path / stage / f"{part}.safetensors") for stage in ("first", "second"))
        assert all(torch.equal(first[name], second[name]) for name in first), part
    folders = [tmp_path / stage / "tokenizer" / "tokenizer.json" for stage in ("first", "second")]
    assert folders[0].read_bytes() == folders[1].read_bytes()
    fresh = mini.sd_unet().state_dict()
    trained = load_file(tmp_path / "first" / "unet" / "diffusion_pytorch_model.safetensors")
    assert any(not torch.equal(fresh[name].half(), trained[name]) for name in trained)


def parameters(*modules) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.state_dict().values())


def test_weights_in_half_precision_stay_below_16_mb(clip_tokenizer, t5_tokenizer):
    limit = 16_000_000 - 500_000  # tokenizer, configurations and headers beside the weights
    assert 2 * parameters(mini.sd_unet(), mini.autoencoder(), mini.clip_text_model(clip_tokenizer)) < limit
    assert 2 * parameters(mini.if_unet(), mini.t5_encoder(t5_tokenizer)) < limit
    assert 2 * parameters(open_clip.CLIP(**mini.CLIP_CONFIG["model_cfg"])) < limit


def test_the_pixel_model_puts_out_a_variance_and_the_latent_model_takes_the_vaes_channels():
    unet, vae = mini.sd_unet().config, mini.autoencoder().config
    assert unet.in_channels == unet.out_channels == vae.latent_channels
    assert (mini.if_unet().config.in_channels, mini.if_unet().config.out_channels) == (3, 6)
