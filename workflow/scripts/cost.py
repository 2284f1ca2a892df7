"""What the scores cost, from the cost files beside them."""

from diffzero.analysis.load import load_costs
from diffzero.reporting import table_format
from diffzero.reporting.tables.cost import build_cost, format_cost
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
table = build_cost(load_costs(snakemake.input.costs))
table_format.write_table(table, format_cost(table, snakemake.params.absent), snakemake.output)
