"""Find or download the weights of a model, and record their folder and digests."""

from pathlib import Path

from pydantic import TypeAdapter

from diffzero.config import Model
from diffzero.models.download import inspect_checkpoint
from diffzero.utils.io import write_json
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
model = TypeAdapter(Model).validate_python(snakemake.params.model)
write_json(inspect_checkpoint(model, Path()), Path(snakemake.output[0]))
