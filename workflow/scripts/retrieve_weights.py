"""Find or download the weights of a model, verify them, and record their folder and digests."""

from pathlib import Path

from pydantic import TypeAdapter

from diffzero.config import Model
from diffzero.models.download import inspect_checkpoint, require_complete
from diffzero.utils.logging import configure_logging
from diffzero.utils.result_files import write_record

configure_logging(snakemake.log[0])
model = TypeAdapter(Model).validate_python(snakemake.params.model)
record = inspect_checkpoint(model, Path())
require_complete(model, Path(str(record["folder"])))
write_record(record, Path(snakemake.output[0]), digest=record["digest"])
