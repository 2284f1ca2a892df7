"""What the scores cost, from the cost files beside them."""

from diffzero.analysis.load import costs
from diffzero.reporting import table_format, tables
from diffzero.utils.logging import log_to

log_to(snakemake.log[0])
table = tables.cost_table(costs(snakemake.input.costs))
table_format.write(table, [tables.layout_cost(table, snakemake.params.absent)], snakemake.output)
