"""The tables of Clark & Jaini (2023) and a few more: data frames from predictions, and their layouts for readers."""

from diffzero.tables.accuracy import layout1, table1
from diffzero.tables.binding import layouts3, table3
from diffzero.tables.comparison import cost_table, layout_calibration, layout_cost, layout_paired, paired
from diffzero.tables.controlled import controlled, layout_controlled
from diffzero.tables.shapes import layout2, table2
from diffzero.tables.studies import layout_spread, layouts_variants, spreads, variants
from diffzero.tables.weightings import combined, layout4, layout_combined, layout_transfer, table4, transfer

__all__ = [
    *("table1", "layout1", "table2", "layout2", "table3", "layouts3", "table4", "layout4", "transfer", "layout_transfer"),
    *("combined", "layout_combined", "variants", "layouts_variants", "spreads", "layout_spread", "paired", "layout_paired"),
    *("controlled", "layout_controlled", "layout_calibration", "cost_table", "layout_cost"),
]
