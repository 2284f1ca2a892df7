"""Where a model's weights are, and their digest."""

from pathlib import Path

from pydantic import TypeAdapter

from diffzero.config import Model
from diffzero.files import write_json
from diffzero.logs import log_to
from diffzero.weights import inspect

log_to(snakemake.log[0])
model = TypeAdapter(Model).validate_python(snakemake.params.model)
write_json(inspect(model, Path()), Path(snakemake.output[0]))
