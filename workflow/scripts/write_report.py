"""Write the report page."""

from pathlib import Path

from diffzero.reporting import html
from diffzero.utils.io import write_atomically
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
source, params = snakemake.input, snakemake.params
page, contents = (
    Path(snakemake.output[0]),
    html.ReportContents(
        facts=params.facts,
        missing=params.missing,
        tables=list(map(Path, source.tables)),
        figures=list(map(Path, source.figures)),
        captions=list(map(Path, source.captions)),
        provenance=html.list_provenance(params.facts, map(Path, source.weights), map(Path, source.images)),
    ),
)
write_atomically(page, html.render_page(contents, page))
