"""Make the images of Figures 3 and 6 with one model: denoised test images, and samples from class prompts."""

from pathlib import Path

import torch

from diffzero import models
from diffzero.cluster.gpu_lock import reserve_gpu
from diffzero.diffusion.weighting import make_weight_fn, parse_weighting
from diffzero.models.checkpoint import CheckpointRecord
from diffzero.models.sampling import MAX_PROMPTS, SamplingSettings, sample
from diffzero.models.text_encoders import require_prompts_fit
from diffzero.scoring.denoise_figure import denoise_images
from diffzero.scoring.inputs import load_text
from diffzero.scoring.problem import read_prompts
from diffzero.utils.freshness import fresh_digests
from diffzero.utils.logging import configure_logging
from diffzero.utils.result_files import read_parquet, write_arrays
from diffzero.utils.row_files import RowFile

configure_logging(snakemake.log[0])
source, output, params = snakemake.input, snakemake.output, snakemake.params
record = CheckpointRecord.read(Path(source.weights))


def write_denoised(device: str) -> None:
    """Write the predictions of x for a few images under right and wrong prompts."""
    adapter = record.adapter()
    checkpoint_dir = record.verified_path([*adapter.scoring_folders(), *adapter.LATENT_ENCODERS])
    denoiser = models.load(checkpoint_dir, params.dtype, device)
    weight = make_weight_fn(parse_weighting(params.weighting), denoiser.schedule)
    files = zip(output.denoised, source.item_table, source.prompts, source.crops, source.x, source.text, strict=True)
    for entry, (path, items, prompts, crops, x, text) in zip(params.denoised, files, strict=True):
        sources = fresh_digests([items, prompts, crops, x, text, source.weights])
        embeddings = load_text(Path(text), read_prompts(Path(prompts)))
        items = read_parquet(items).head(entry["n_images"])
        pixels, latents = (RowFile(Path(file)).read(slice(len(items))) for file in (crops, x))
        key = (params.seed, entry["dataset"])
        images = denoise_images(denoiser, items, pixels, latents, embeddings, weight, key, entry["t"])
        write_arrays(images, Path(path), sources)


def write_samples(device: str) -> None:
    """Write samples from the first class prompts."""
    checkpoint, dtype = record.verified_path(), getattr(torch, params.dtype)
    for entry, path, prompts in zip(params.samples, output.samples, source.sample_prompts, strict=True):
        sources = fresh_digests([prompts, source.weights])
        prompts = read_prompts(Path(prompts))[:MAX_PROMPTS]
        sizes = (entry["images_per_prompt"], entry["steps"], entry["guidance"], params.seed, params.resolution)
        images = sample(checkpoint, prompts, SamplingSettings(*sizes), dtype, models.pick_device(device))
        write_arrays({"pictures": images}, Path(path), sources)


for prompts_file in map(Path, [*source.prompts, *source.sample_prompts]):
    require_prompts_fit(record.checkpoint_dir, read_prompts(prompts_file), prompts_file.parent.name)
with reserve_gpu(params.device) as device:
    for is_wanted, write in ((params.denoised, write_denoised), (params.samples, write_samples)):
        if is_wanted:
            write(device)
