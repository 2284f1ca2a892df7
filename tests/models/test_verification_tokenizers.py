"""A tokenizer that is not whole or does not fit its encoder is refused; transformers would make an empty one."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import sentencepiece
import torch
from transformers import T5Tokenizer

from diffzero.models import CheckpointError, adapter_class
from diffzero.models.verification.parts import verify_checkpoint
from diffzero.training.captions import corpus
from edit_checkpoint import LFS_POINTER, copy_of, edit_json, edit_tensors, publish_clip_tokenizer

SD, SDXL, IF = "Stable Diffusion 1.x", "Stable Diffusion XL", "DeepFloyd IF-I"


def verify(checkpoint_dir: Path) -> None:
    verify_checkpoint(checkpoint_dir, adapter_class(checkpoint_dir))


def publish_t5_tokenizer(checkpoint_dir: Path) -> None:
    """Replace tokenizer.json by spiece.model, the file of published T5 tokenizers, and enlarge the embeddings to its vocabulary."""
    part_dir, model = checkpoint_dir / "tokenizer", io.BytesIO()
    (part_dir / "tokenizer.json").unlink()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(list(corpus())), model_writer=model, vocab_size=200, pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
        hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    (part_dir / "spiece.model").write_bytes(model.getvalue())
    extra = [f"<extra_id_{k}>" for k in range(100)]
    config = {"additional_special_tokens": extra, "eos_token": "</s>", "extra_ids": 100, "model_max_length": 512, "name_or_path": "x",
              "pad_token": "<pad>", "sp_model_kwargs": {}, "special_tokens_map_file": "x", "tokenizer_class": "T5Tokenizer",
              "unk_token": "<unk>"}  # fmt: skip
    (part_dir / "tokenizer_config.json").write_text(json.dumps(config))
    rows = len(T5Tokenizer.from_pretrained(part_dir)) + 28
    edit_json(checkpoint_dir / "text_encoder" / "config.json", vocab_size=rows)
    edit_tensors(
        checkpoint_dir / "text_encoder",
        lambda tensors: {k: torch.randn(rows, v.shape[1]) if k == "shared.weight" else v for k, v in tensors.items()},
    )


def test_the_files_of_published_tokenizers_are_accepted_and_give_the_same_text(checkpoints, tmp_path):
    sd = copy_of(checkpoints[SD], tmp_path / "sd")
    publish_clip_tokenizer(sd / "tokenizer")
    verify(sd)
    prompts = ["a photo of a sneaker.", 'the number: "7".']
    texts = [adapter_class(folder).encode_text(folder, prompts)["states"] for folder in (sd, checkpoints[SD])]
    assert (texts[0] == texts[1]).all()
    t5 = copy_of(checkpoints[IF], tmp_path / "if")
    publish_t5_tokenizer(t5)
    verify(t5)


def lose_tokenizer_json(part_dir: Path) -> None:
    (part_dir / "tokenizer.json").unlink()


def lose(name: str) -> Callable[[Path], None]:
    def change(part_dir: Path) -> None:
        publish_clip_tokenizer(part_dir)
        (part_dir / name).unlink()

    return change


def lose_half_of_the_merges(part_dir: Path) -> None:
    publish_clip_tokenizer(part_dir)
    lines = (part_dir / "merges.txt").read_text().splitlines()
    (part_dir / "merges.txt").write_text("\n".join(lines[: len(lines) // 2]) + "\n")


def lose_half_of_the_vocabulary(part_dir: Path) -> None:
    publish_clip_tokenizer(part_dir)
    vocab = list(json.loads((part_dir / "vocab.json").read_text()).items())
    (part_dir / "vocab.json").write_text(json.dumps(dict(vocab[: len(vocab) // 2])))


def empty_the_vocabulary(part_dir: Path) -> None:
    publish_clip_tokenizer(part_dir)
    (part_dir / "vocab.json").write_text("{}")


def replace_by_pointer(part_dir: Path) -> None:
    (part_dir / "tokenizer.json").write_bytes(LFS_POINTER)


def break_json(part_dir: Path) -> None:
    (part_dir / "tokenizer.json").write_text((part_dir / "tokenizer.json").read_text()[:-100])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "found no tokenizer folder"),
        (lose_tokenizer_json, "found tokenizer_config.json, expected tokenizer.json or vocab.json with merges.txt"),
        (lose("vocab.json"), "expected tokenizer.json or vocab.json with merges.txt"),
        (lose("merges.txt"), "expected tokenizer.json or vocab.json with merges.txt"),
        (lose("tokenizer_config.json"), "expected also tokenizer_config.json"),
        (lose_half_of_the_merges, "found no merge for"),
        (lose_half_of_the_vocabulary, "tokenizer: "),
        (empty_the_vocabulary, "tokenizer: "),
        (replace_by_pointer, "found a Git LFS pointer"),
        (break_json, "cannot be loaded"),
    ],
)
@pytest.mark.parametrize("name", [SD, SDXL])
def test_a_damaged_clip_tokenizer_is_refused(damage, message, name, checkpoints, tmp_path):
    copy = copy_of(checkpoints[name], tmp_path / "copy")
    damage(copy / "tokenizer")
    with pytest.raises(CheckpointError) as error:
        verify(copy)
    assert message in str(error.value) and "tokenizer" in str(error.value)


@pytest.mark.parametrize("part", ["tokenizer_2", "tokenizer_3"])
def test_further_tokenizers_are_checked_likewise(part, checkpoints, tmp_path):
    copy = copy_of(checkpoints["Stable Diffusion 3"], tmp_path / "copy")
    lose_tokenizer_json(copy / part)
    with pytest.raises(CheckpointError, match=f"{part}: found tokenizer_config.json, expected tokenizer.json or "):
        verify(copy)


def test_a_lost_spiece_model_is_refused_by_check_and_by_the_text_job(checkpoints, tmp_path):
    copy = copy_of(checkpoints[IF], tmp_path / "copy")
    publish_t5_tokenizer(copy)
    (copy / "tokenizer" / "spiece.model").unlink()
    with pytest.raises(CheckpointError, match="expected tokenizer.json or spiece.model: without the vocabulary"):
        verify(copy)
    with pytest.raises(CheckpointError, match="expected tokenizer.json or spiece.model: without the vocabulary"):
        adapter_class(copy).encode_text(copy, ["a bag"])


def test_a_tokenizer_of_another_model_is_refused(checkpoints, tmp_path):
    t5 = copy_of(checkpoints[IF], tmp_path / "t5")
    publish_t5_tokenizer(t5)
    clip_in_t5 = copy_of(checkpoints[IF], tmp_path / "clip-in-t5")
    shutil.rmtree(clip_in_t5 / "tokenizer")
    shutil.copytree(checkpoints[SD] / "tokenizer", clip_in_t5 / "tokenizer")
    with pytest.raises(CheckpointError, match='found tokenizer_class: "CLIPTokenizer", expected "T5Tokenizer"'):
        verify(clip_in_t5)
    smaller = copy_of(checkpoints[IF], tmp_path / "smaller")
    shutil.rmtree(smaller / "tokenizer")
    shutil.copytree(t5 / "tokenizer", smaller / "tokenizer")
    with pytest.raises(CheckpointError, match=r"found a vocabulary of \d+ tokens, expected the 137"):
        verify(smaller)


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("tokenizer/tokenizer_config.json", {"model_max_length": 77}, "model_max_length 77, expected 3 to 24"),
        ("tokenizer/tokenizer_config.json", {"model_max_length": ...}, "expected 3 to 24"),
        ("tokenizer_2/tokenizer_config.json", {"do_lower_case": False}, "found do_lower_case: false, expected true"),
        ("tokenizer/tokenizer_config.json", {"tokenizer_class": "T5Tokenizer"}, "CLIP encoders need CLIP's tokenizer"),
        ("text_encoder_2/config.json", {"eos_token_id": 5}, "expected 5, at which the encoder returns its state"),
    ],
)
def test_settings_that_do_not_fit_the_encoder_are_refused(file, values, message, checkpoints, tmp_path):
    copy = copy_of(checkpoints[SDXL], tmp_path / "copy")
    edit_json(copy / file, **values)
    with pytest.raises(CheckpointError) as error:
        verify(copy)
    assert message in str(error.value)
