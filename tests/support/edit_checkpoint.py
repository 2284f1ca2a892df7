"""Changes of checkpoints in their true file formats: what gets lost or damaged, and how published files differ from ours."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123456789abcdef\nsize 3438167540\n"


def copy_of(source: Path, target: Path) -> Path:
    """Copy a checkpoint."""
    return Path(shutil.copytree(source, target))


def edit_json(path: Path, **values: object) -> None:
    """Set keys of a JSON file; the value `...` removes a key."""
    content = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))


def weights_of(part_dir: Path) -> Path:
    """Return the only weights file of a part."""
    (path,) = part_dir.glob("*.safetensors")
    return path


def edit_tensors(part_dir: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    """Replace the tensors of a part by `change` of them."""
    path = weights_of(part_dir)
    save_file(
        {name: tensor.clone() for name, tensor in change(load_file(path)).items()}, path, metadata={"format": "pt"}
    )


def without(text: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    """Return a change that drops all tensors with `text` in their names."""

    def change(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        kept = {name: tensor for name, tensor in tensors.items() if text not in name}
        assert len(kept) < len(tensors)
        return kept

    return change


def shard_weights(part_dir: Path) -> list[Path]:
    """Split the weights file of a part into two with an index, as save_pretrained does with large files."""
    path = weights_of(part_dir)
    tensors, stem = load_file(path), path.stem
    path.unlink()
    names = sorted(tensors)
    files = [part_dir / f"{stem}-{k:05d}-of-00002.safetensors" for k in (1, 2)]
    halves = names[::2], names[1::2]
    for file, half in zip(files, halves, strict=True):
        save_file({name: tensors[name] for name in half}, file, metadata={"format": "pt"})
    weight_map = {name: file.name for file, half in zip(files, halves, strict=True) for name in half}
    index = {
        "metadata": {"total_size": sum(t.numel() * t.element_size() for t in tensors.values())},
        "weight_map": weight_map,
    }
    (part_dir / f"{stem}.safetensors.index.json").write_text(json.dumps(index))
    return files


def lora_file(path: Path) -> None:
    """Write a LoRA of a U-Net as load_lora_weights reads it."""
    name = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora"
    save_file({f"{name}_A.weight": torch.zeros(4, 64), f"{name}_B.weight": torch.zeros(64, 4)}, path)


def publish_clip_tokenizer(part_dir: Path) -> None:
    """Replace tokenizer.json by vocab.json and merges.txt, the files of published CLIP tokenizers."""
    model = json.loads((part_dir / "tokenizer.json").read_text())["model"]
    (part_dir / "tokenizer.json").unlink()
    (part_dir / "vocab.json").write_text(json.dumps(model["vocab"]))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    (part_dir / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    added = {"__type": "AddedToken", "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    start, end = ({**added, "content": f"<|{name}oftext|>"} for name in ("start", "end"))
    config = {"add_prefix_space": False, "bos_token": start, "do_lower_case": True, "eos_token": end, "errors": "replace",
              "model_max_length": 24, "name_or_path": "openai/clip-vit-large-patch14", "pad_token": "<|endoftext|>",
              "special_tokens_map_file": "./special_tokens_map.json", "tokenizer_class": "CLIPTokenizer", "unk_token": end}  # fmt: skip
    (part_dir / "tokenizer_config.json").write_text(json.dumps(config))


def publish_clip_encoder(part_dir: Path) -> None:
    """Give a CLIP encoder the tensor names and the configuration of files that were saved in 2022."""

    def change(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        named = {f"text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in tensors.items()}
        projection = {
            name.removeprefix("text_model."): named.pop(name) for name in list(named) if "text_projection" in name
        }
        return named | projection | {"text_model.embeddings.position_ids": torch.arange(24)[None]}

    edit_tensors(part_dir, change)
    legacy = {
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 1,
        "dropout": 0.0,
        "torch_dtype": "float32",
        "dtype": ...,
    }
    edit_json(
        part_dir / "config.json",
        **legacy,
        transformers_version="4.22.0.dev0",
        _name_or_path="openai/clip-vit-large-patch14",
    )


def publish_vae(part_dir: Path) -> None:
    """Give a VAE the names that its attention had in 2022."""
    names = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}

    def change(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        for new, old in names.items():
            tensors = {name.replace(new, old): tensor for name, tensor in tensors.items()}
        assert any(".query." in name for name in tensors)
        return tensors

    edit_tensors(part_dir, change)
