"""The result tables of a run.

Every module here makes one table and has the same interface:

- `build_*(...)` returns the values as a DataFrame; its docstring documents the columns.
- `format_*(table, ...)` returns the layouts that readers see.
- `make_table(inputs)` does both for a run and returns a `TableResult`.

`TABLES` registers them in the order of the report page. It imports no table module: the workflow reads the registry to list its outputs.
All tables of a run are made in one process by `write_tables(inputs, names)`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffzero.reporting.inputs import ReportInputs
    from diffzero.reporting.table_format import TableResult
    from diffzero.utils.provenance import Sources


@dataclass(frozen=True)
class Table:
    """One result table of the registry."""

    name: str
    """Stem of its files in `tables/` and of its caption `workflow/report/{name}.rst`."""
    module: str
    """Module in this package that makes it."""
    groups: tuple[str, ...] = ()
    """Groups of predictions that it reads: classification, binding, lewis, ablations."""
    full_scores: bool = False
    """It reads the full scores of the run."""
    costs: bool = False
    """It reads the cost files of scorings."""
    reported: tuple[str, ...] = ()
    """Files `config/paper/{name}.csv` that it reads."""
    data: tuple[str, ...] = ()
    """Other files that it writes, relative to the folder of the run."""
    requires: str = ""
    """Group without which the run does not have this table; empty for a table of every run."""

    def make(self, inputs: "ReportInputs") -> "TableResult":
        """Build and format the table."""
        result: TableResult = import_module(f"{__name__}.{self.module}").make_table(inputs)
        return result


_COMPARED = ("classification", "binding", "lewis")
TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table("table1", "table1_accuracy", ("classification",), costs=True, reported=("table1",)),
        Table("table2", "table2_shape_bias", ("classification",), reported=("table2",)),
        Table("table3", "table3_binding", ("binding",), reported=("table3",), requires="binding"),
        Table("controlled", "table3_controlled", ("binding",), requires="binding"),
        Table("table3-lewis", "table3_lewis", ("lewis",), reported=("table3",), requires="lewis"),
        Table("table4", "table4_weighting", full_scores=True, reported=("table4",)),
        Table("weight_transfer", "weight_transfer", full_scores=True),
        Table("combined_models", "combined_models", full_scores=True, reported=("ablations",)),
        Table("ablations", "ablations", ("classification", "ablations"), reported=("ablations",)),
        Table("seed_variance", "seed_variance", ("classification",), reported=("ablations",)),
        Table(
            "calibration",
            "calibration",
            full_scores=True,
            reported=("ablations",),
            data=("replayed/reliability.csv",),
        ),
        Table("paired_comparison", "paired_comparison", _COMPARED),
        Table("cost", "cost", costs=True),
    )
}
"""Every table by name, in the order of the report page."""


def write_tables(inputs: "ReportInputs", names: Iterable[str], sources: "Sources | None" = None) -> None:
    """Make the tables with these names and write them to `tables/` in the folder of the run, in every format.

    Parameters
    ----------
    inputs
        What they are made from.
    names
        Their names.
    sources
        Digests of the files of `inputs`, which each table names.
    """
    from pathlib import Path

    from diffzero.reporting.table_format import TABLE_FORMATS, write_csv, write_table

    for name in names:
        result = TABLES[name].make(inputs)
        paths = [inputs.run_dir / "tables" / f"{name}.{suffix}" for suffix in TABLE_FORMATS]
        data = {inputs.run_dir / path: frame for path, frame in result.data.items()}
        for path, frame in data.items():
            write_csv(frame, path)
        # Thousands of cost files would make the records of other tables large.
        costs = set() if TABLES[name].costs else {Path(path) for path in (*inputs.costs, *inputs.main_costs)}
        own_sources = {path: digest for path, digest in (sources or {}).items() if path not in costs}
        write_table(result.frame, result.layouts, paths, own_sources, data)
