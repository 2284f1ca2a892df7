"""Figure 3: denoised images under right and wrong prompts."""

from pathlib import Path

from safetensors.numpy import load_file

from diffzero.reporting.figures.denoised import draw_denoised
from diffzero.reporting.figures.style import save_figure
from diffzero.utils.io import read_json
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
pictures = load_file(snakemake.input[0])
prompts = read_json(Path(snakemake.input.prompts))["prompts"]
figure = draw_denoised(
    pictures["original"],
    [prompts[index] for index in pictures["prompt"]],
    pictures["noisy"],
    pictures["prediction"],
    pictures["correct"].tolist(),
    pictures["error"],
)
save_figure(figure, Path(snakemake.output.svg).with_suffix(""))
