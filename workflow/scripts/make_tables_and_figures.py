"""Make tables and figures of a run in one process, with placeholders for figures whose inputs do not exist yet."""

from diffzero.reporting.digests import result_sources
from diffzero.reporting.figures import FigureKey, write_figures
from diffzero.reporting.figures.missing import write_missing_figures
from diffzero.reporting.tables import write_tables
from diffzero.utils.logging import configure_logging
from diffzero.workflow.report_inputs import load_inputs

configure_logging(snakemake.log[0])
params = snakemake.params
inputs, sources = load_inputs(params.inputs), result_sources(snakemake.input)
write_tables(inputs, params.tables, sources)
write_figures(inputs, [FigureKey(*key) for key in params.figures], sources)
write_missing_figures(inputs.run_dir, [FigureKey(*key) for key in params.missing], params.note)
