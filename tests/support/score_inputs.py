"""The input files of a scoring job as the workflow writes them, without a run."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffzero.data.prompts import classification_items
from diffzero.models import adapter_class
from diffzero.models.checkpoint import CheckpointRecord
from diffzero.scoring.inputs import ShardInputs, write_latents, write_text
from diffzero.utils.result_files import digests_of, write_parquet, write_record
from diffzero.utils.row_files import write_rows


def shard_inputs(inputs_dir: Path, shard: int = 1, shards: int = 1, **options: Any) -> ShardInputs:
    """Return the inputs in a folder."""
    names = ("images.parquet", "items.parquet", "prompts.json", "crops.npy", "x.npy", "text.safetensors")
    return ShardInputs(
        *(inputs_dir / name for name in names), shard, shards, options.pop("max_images", None), **options
    )


def write_inputs(
    inputs_dir: Path,
    table: pd.DataFrame,
    prompts: dict[str, Any],
    crops: np.ndarray,
    record: CheckpointRecord,
    x: np.ndarray | None = None,
    text: dict[str, np.ndarray] | None = None,
) -> ShardInputs:
    """Write the inputs of a classification; x and text are encoded by the checkpoint of `record` unless they are given."""
    inputs, adapter = shard_inputs(inputs_dir), adapter_class(record.checkpoint_dir)
    write_parquet(table, inputs.images)
    write_record(prompts, inputs.prompts)
    write_parquet(classification_items(table, prompts), inputs.items, digests_of([inputs.images, inputs.prompts]))
    write_rows([crops], len(crops), inputs.crops, digests_of([inputs.images]))
    x = adapter.encode_images(record.checkpoint_dir, crops) if x is None else x
    write_latents([x], len(x), inputs.x, adapter, digests_of([inputs.crops, record.record]))
    text = adapter.encode_text(record.checkpoint_dir, prompts["prompts"]) if text is None else text
    write_text(text, prompts["prompts"], inputs.text, adapter, digests_of([inputs.prompts, record.record]))
    return inputs
