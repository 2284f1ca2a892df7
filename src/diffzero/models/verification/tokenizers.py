"""Verify tokenizers. From a folder without a vocabulary, transformers makes an empty tokenizer and does not say so."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from diffzero.models.errors import CheckpointError
from diffzero.models.verification.configuration import require_supported_keys
from diffzero.models.verification.headers import COPY_AGAIN, read_config, require_no_pointer
from diffzero.models.verification.tensors import import_class

SENTENCE: Final = "a photo of a red cube."  # every vocabulary has tokens for these words or their letters
CLIP, T5 = "CLIPTokenizer", "T5Tokenizer"
# By tokenizer class: sets of files of which at least one must be complete.
VOCABULARIES: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    CLIP: (("tokenizer.json",), ("vocab.json", "merges.txt")),
    T5: (("tokenizer.json",), ("spiece.model",)),
}
TOKENIZER_OF: Final = {"CLIPTextModel": CLIP, "CLIPTextModelWithProjection": CLIP, "T5EncoderModel": T5}
# Special tokens of published tokenizers. Any other becomes a special token wherever its letters occur in a prompt.
SPECIAL_TOKENS: Final[Mapping[str, Mapping[str, tuple[str | None, ...]]]] = {
    CLIP: {
        "bos": ("<|startoftext|>",),
        "eos": ("<|endoftext|>",),
        "unk": ("<|endoftext|>",),
        "pad": ("<|endoftext|>", "!"),
    },
    T5: {"bos": (None,), "eos": ("</s>",), "unk": ("<unk>",), "pad": ("<pad>",)},
}
EXTRA_TOKEN: Final = re.compile(r"<extra_id_\d+>")  # of T5
UNUSED_ROWS: Final = 256  # embedding rows without a token, which pad the matrix of published encoders (T5: 28)


def describe_missing_vocabulary(part: str, tokenizer: str, names: Iterable[str]) -> str | None:
    """Return the message for a tokenizer's folder without a complete vocabulary among its files `names`; None if there is one."""
    present = set(names)
    choices = VOCABULARIES[tokenizer]
    if any(present.issuperset(choice) for choice in choices):
        return None
    found = ", ".join(sorted(present)) or "nothing"
    expected = " or ".join(" with ".join(choice) for choice in choices)
    return f"{part}: found {found}, expected {expected}: without the vocabulary transformers makes an empty tokenizer. {COPY_AGAIN}"


def require_tokenizer(checkpoint_dir: Path, part: str, encoder_class: type[Any]) -> None:
    """Raise CheckpointError if a tokenizer is not whole or does not fit its text encoder.

    Parameters
    ----------
    checkpoint_dir : Path
        The checkpoint.
    part : str
        Sub-folder of the tokenizer.
    encoder_class : type
        Class of the text encoder, whose sub-folder has the same suffix.
    """
    part_dir, tokenizer = checkpoint_dir / part, TOKENIZER_OF[encoder_class.__name__]
    names = [path.name for path in part_dir.glob("*")] if part_dir.is_dir() else []
    if problem := describe_missing_vocabulary(str(part_dir), tokenizer, names):
        raise CheckpointError(problem)
    for name in names:
        require_no_pointer(part_dir / name)
    tokenizer_class = import_class(tokenizer)
    require_supported_keys(part_dir / "tokenizer_config.json", tokenizer_class)
    encoder_config = read_encoder_config(checkpoint_dir / part.replace("tokenizer", "text_encoder"), encoder_class)
    try:
        loaded = tokenizer_class.from_pretrained(checkpoint_dir, subfolder=part)
        problem = _find_odd_token(loaded, tokenizer) or _find_problem(loaded, encoder_config, tokenizer)
        if problem is None and tokenizer == CLIP:
            problem = _find_clip_problem(loaded, encoder_config, "Projection" in encoder_class.__name__)
    except Exception as error:  # any error of a damaged vocabulary
        reason = (str(error).strip().splitlines() or [""])[-1]
        raise CheckpointError(
            f"{part_dir}: cannot be loaded ({type(error).__name__}: {reason}). {COPY_AGAIN}"
        ) from None
    if problem:
        raise CheckpointError(f"{part_dir}: {problem}. {COPY_AGAIN}")


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _find_odd_token(loaded: Any, tokenizer: str) -> str | None:
    """Return which special or added token is not one of the published tokenizers; None if all are."""
    known = SPECIAL_TOKENS[tokenizer]
    for name, tokens in known.items():
        found = getattr(loaded, f"{name}_token")
        if found not in tokens:
            return f"found {name}_token {found!r}, expected {' or '.join(map(repr, tokens))}"
    ordinary = {token for tokens in known.values() for token in tokens}
    odd = [token for token in loaded.get_added_vocab() if token not in ordinary and not EXTRA_TOKEN.fullmatch(token)]
    return f"found the added token {odd[0]!r}, expected no token outside its vocabulary" if odd else None


def _find_problem(loaded: Any, encoder_config: Mapping[str, Any], tokenizer: str) -> str | None:
    """Return what is wrong with a loaded tokenizer: the round trip of the sentence, its special tokens, or the vocabulary's size."""
    ids = loaded(SENTENCE)["input_ids"]
    body = [token for token in ids if token not in (loaded.bos_token_id, loaded.eos_token_id)]
    decoded = loaded.decode(ids, skip_special_tokens=True)
    if loaded.unk_token_id in ids[1:-1] or not body or _words(decoded) != _words(SENTENCE):
        return f"found {decoded!r} after encoding and decoding {SENTENCE!r}, expected the same words: its vocabulary is not whole"
    if ids[-1] != loaded.eos_token_id or (tokenizer == CLIP and ids[0] != loaded.bos_token_id):
        return f"found the token ids {ids} of {SENTENCE!r}, expected them between the start token and the end token"
    rows, size = int(encoder_config.get("vocab_size", 0)), max(loaded.get_vocab().values()) + 1
    if not rows - UNUSED_ROWS < size <= rows:
        return f"found a vocabulary of {size} tokens, expected the {rows} that the text encoder has embeddings for"
    special = {name: getattr(loaded, f"{name}_token_id") for name in ("pad", "eos")}
    wrong = {name: token for name, token in special.items() if token is None or not 0 <= token < rows}
    if wrong:
        return f"found {', '.join(f'{name} token {token}' for name, token in wrong.items())}, expected token ids below {rows}"
    return None


def _find_clip_problem(loaded: Any, encoder_config: Mapping[str, Any], pools: bool) -> str | None:
    """Return what is wrong with CLIP's tokenizer: lost merges, no limit of its length, or an end token that the encoder does not find.

    `pools` says whether the encoder returns the state at the end token.
    """
    model = json.loads(loaded.backend_tokenizer.to_str())["model"]
    made = {"".join(merge) if isinstance(merge, list) else merge.replace(" ", "") for merge in model["merges"]}
    vocabulary = {token for token in model["vocab"] if len(token.removesuffix("</w>")) > 1} - set(
        loaded.get_added_vocab()
    )
    vocabulary -= {token for token in (loaded.bos_token, loaded.eos_token, loaded.pad_token, loaded.unk_token) if token}
    if lost := vocabulary - made:
        return f"found no merge for {len(lost)} of {len(model['vocab'])} tokens ({sorted(lost)[0]!r}), expected all of merges.txt"
    if lost := made - set(model["vocab"]):
        return f"found no token for {len(lost)} of {len(made)} merges ({sorted(lost)[0]!r}), expected all of vocab.json"
    positions = int(encoder_config.get("max_position_embeddings", 0))
    if not 2 < loaded.model_max_length <= positions:
        return f"found model_max_length {loaded.model_max_length}, expected 3 to {positions} (max_position_embeddings of the encoder)"
    # For 2, an error of old configurations, transformers takes the state at the largest token id.
    end, largest = encoder_config.get("eos_token_id"), max(loaded.get_vocab().values())
    if pools and loaded.eos_token_id != (largest if end == 2 else end):
        return f"found end token {loaded.eos_token_id}, expected {largest if end == 2 else end}, at which the encoder returns its state"
    return None


def read_encoder_config(encoder_dir: Path, encoder_class: type[Any]) -> dict[str, Any]:
    """Return the configuration of a text encoder, with the class's defaults."""
    return {**encoder_class.config_class().to_dict(), **read_config(encoder_dir / "config.json")}
