"""Write the two-object images of Lewis et al. as a table of scenes."""

import hashlib
from pathlib import Path

from diffzero.binding import lewis
from diffzero.data.source_files import RECORD, LocalFiles, make_record
from diffzero.utils.io import read_json, sha256_of
from diffzero.utils.logging import configure_logging
from diffzero.utils.result_files import write_parquet

configure_logging(snakemake.log[0])
settings, state = snakemake.params.lewis, Path(snakemake.input.state)
lewis_dir, split = Path(settings["path"]), settings["split"]
files = LocalFiles(settings["path"], lewis.list_lewis_files(lewis_dir, split))
before = files.stamps()
table = lewis.load_scenes(lewis_dir, split, settings["max_images"], snakemake.params.seed)
write_parquet(table, Path(snakemake.output[0]))

digests = {file: hashlib.sha256(image).hexdigest() for file, image in zip(table["file"], table["image"], strict=True)}
labels = lewis.labels_path(lewis_dir, split)
record = make_record(before, files, digests | {labels.name: sha256_of(labels)}, read_json(state))
record.write(state.with_name(RECORD))
