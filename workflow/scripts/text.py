"""The text embeddings of a data set's prompts."""

from pathlib import Path

from safetensors.numpy import save

from diffzero import denoisers
from diffzero.files import read_json, write_atomically
from diffzero.logs import log_to
from diffzero.problem import read_prompts

log_to(snakemake.log[0])
folder = Path(read_json(Path(snakemake.input.weights))["folder"])
text = denoisers.family(folder).encode_text(folder, read_prompts(Path(snakemake.input.prompts)))
write_atomically(Path(snakemake.output[0]), save(text))
