"""What the scores cost, from the cost files beside them."""

from diffzero import layout, tables
from diffzero.logs import log_to
from diffzero.results import costs

log_to(snakemake.log[0])
table = tables.cost_table(costs(snakemake.input.costs))
layout.write(table, [tables.layout_cost(table, snakemake.params.absent)], snakemake.output)
