"""What the scores cost, from the cost files beside them."""

from diffzero.analysis.load import costs
from diffzero.reporting import table_format, tables
from diffzero.utils.logging import configure_logging

configure_logging(snakemake.log[0])
table = tables.cost_table(costs(snakemake.input.costs))
table_format.write(table, [tables.layout_cost(table, snakemake.params.absent)], snakemake.output)
