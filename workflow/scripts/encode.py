"""Encode the prompts and the images of data sets with one model: text embeddings, and latents or pixels as x."""

import logging
from pathlib import Path

import torch

from diffzero import models
from diffzero.cluster.gpu_lock import reserve_gpu
from diffzero.data.equal_prompts import describe_equal_prompts, find_equal_prompts
from diffzero.models.checkpoint import CheckpointRecord
from diffzero.models.text_encoders import require_prompts_fit
from diffzero.scoring.inputs import write_latents, write_text
from diffzero.scoring.problem import read_prompts
from diffzero.utils.logging import configure_logging
from diffzero.utils.result_files import digest_of
from diffzero.utils.row_files import RowFile

configure_logging(snakemake.log[0])
log = logging.getLogger("encode")
torch.set_num_threads(snakemake.threads)
source, output = snakemake.input, snakemake.output
# Each of these is one file, a list of files, or absent.
prompts, text, crops, x = (
    [found] if isinstance(found := files.get(name, []), str) else found
    for files, name in ((source, "prompts"), (output, "text"), (source, "crops"), (output, "x"))
)
record = CheckpointRecord.read(Path(source.weights))
adapter = record.adapter()
for prompts_file in map(Path, prompts):
    require_prompts_fit(record.checkpoint_dir, read_prompts(prompts_file), prompts_file.parent.name)
parts = [*(adapter.text_folders() if text else ()), *(adapter.LATENT_ENCODERS if x else ())]
checkpoint = record.verified_path(parts)

with reserve_gpu(snakemake.params.device) as name:
    device = models.pick_device(name)
    for prompts_file, text_file in zip(map(Path, prompts), map(Path, text), strict=True):
        sentences = read_prompts(prompts_file)
        embeddings = adapter.encode_text(checkpoint, sentences, device)
        for line in describe_equal_prompts(sentences, find_equal_prompts(embeddings.values())):
            log.warning(line)
        sources = {prompts_file: digest_of(prompts_file), record.record: record.digest}
        write_text(embeddings, sentences, text_file, adapter, sources)
    for crops_file, x_file in zip(map(Path, crops), map(Path, x), strict=True):
        images = RowFile(crops_file)
        latents = adapter.iter_latents(checkpoint, images.mapped(), device)
        sources = {crops_file: images.provenance.digest, record.record: record.digest}
        write_latents(latents, len(images), x_file, adapter, sources)
