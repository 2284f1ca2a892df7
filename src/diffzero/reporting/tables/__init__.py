"""The tables of Clark & Jaini (2023) and a few more: data frames from predictions, and their layouts for readers."""

from diffzero.reporting.tables.comparison import cost_table, layout_calibration, layout_cost, layout_paired, paired
from diffzero.reporting.tables.studies import layout_spread, layouts_variants, spreads, variants
from diffzero.reporting.tables.table1_accuracy import layout1, table1
from diffzero.reporting.tables.table2_shape_bias import by_category, layout2, model_vs_human, table2
from diffzero.reporting.tables.table3_binding import layouts3, table3
from diffzero.reporting.tables.table3_controlled import controlled, layout_controlled
from diffzero.reporting.tables.table3_lewis import layout_lewis, table3_lewis
from diffzero.reporting.tables.table4_weighting import (
    combined,
    layout4,
    layout_combined,
    layout_transfer,
    table4,
    transfer,
)

__all__ = [
    "by_category",
    "combined",
    "controlled",
    "cost_table",
    "layout1",
    "layout2",
    "layout4",
    "layout_calibration",
    "layout_combined",
    "layout_controlled",
    "layout_cost",
    "layout_lewis",
    "layout_paired",
    "layout_spread",
    "layout_transfer",
    "layouts3",
    "layouts_variants",
    "model_vs_human",
    "paired",
    "spreads",
    "table1",
    "table2",
    "table3",
    "table3_lewis",
    "table4",
    "transfer",
    "variants",
]
