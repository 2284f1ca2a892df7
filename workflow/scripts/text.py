"""The text embeddings of a data set's prompts."""

from pathlib import Path

from diffzero import denoisers
from diffzero.checkpoint import TEXT, Recorded
from diffzero.files import write_atomically
from diffzero.inputs import text_bytes
from diffzero.logs import log_to
from diffzero.problem import read_prompts

log_to(snakemake.log[0])
folder = Recorded.read(Path(snakemake.input.weights)).unchanged(TEXT)
prompts = read_prompts(Path(snakemake.input.prompts))
write_atomically(Path(snakemake.output[0]), text_bytes(denoisers.family(folder).encode_text(folder, prompts), prompts))
