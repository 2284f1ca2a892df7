"""The figures of a run, from stored scores and predictions.

Every module here draws one kind of figure and has the same interface:

- `draw_*(...)` returns a matplotlib figure; accuracies are shares and are drawn in percent.
- `make_figure(inputs, model, dataset)` draws the figure of a run and returns a `FigureResult`.

`race` has no `make_figure`: it shows a single image (`make classify`), not a run. `FIGURES` registers the kinds in the order of the
report page. It imports neither matplotlib nor a figure module: the workflow reads the registry to list its outputs.
All figures of a run are made in one process by `write_figures(inputs, keys)`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from diffzero.reporting.inputs import ReportInputs
    from diffzero.utils.provenance import Sources


class FigureKey(NamedTuple):
    """One figure: its kind, and the model and data set that it shows (empty if it shows all)."""

    kind: str
    model: str = ""
    dataset: str = ""

    @property
    def stem(self) -> str:
        """Stem of its files in `figures/`."""
        return "-".join(filter(None, self))


@dataclass(frozen=True)
class FigureResult:
    """A figure and the tables behind it."""

    figure: "Figure"
    data: "Mapping[str, pd.DataFrame]" = field(default_factory=dict)
    """CSV files by their stem in `figures/`."""


@dataclass(frozen=True)
class FigureKind:
    """One kind of figure of the registry."""

    kind: str
    """Module in this package that draws it, and first part of the names of its files."""
    title: str
    """Title on the report page."""
    category: str
    """Category in Snakemake's report."""
    inputs: tuple[str, ...]
    """Inputs: groups of predictions, full_scores, efficiency (the scores of Figure 2), denoised and samples (pictures), prompts,
    items or images (files of the data set), `tables/{name}.csv` and `replayed/{name}.csv` (files of the run)."""
    scope: Literal["model and dataset", "dataset", "run"] = "run"
    """Fields of the `FigureKey` that identify one figure; the others are empty."""
    caption: str = ""
    """Stem of its caption in `workflow/report`; empty if the stem is the kind."""
    data: tuple[str, ...] = ()
    """CSV files that it writes: stems, where {stem} is the stem of the figure."""
    requires: tuple[str, ...] = ()
    """Results that the figure shows, if they are not the `inputs`: groups of predictions, full_scores, efficiency, denoised or
    samples. A run without any of them does not have the figure; otherwise it has one figure per model and data set of the results,
    per data set, or per run (`scope`)."""
    shows: Literal["all", "diffusion models", "cue conflict"] = "all"
    """Predictions that count as such results: all, those of diffusion models, or those on cue-conflict images."""
    min_results: int = 1
    """Minimum number of results; with fewer, the figure is not drawn."""

    @property
    def results(self) -> tuple[str, ...]:
        """The results that the figure shows."""
        return self.requires or self.inputs

    def key(self, model: str, dataset: str) -> FigureKey:
        """Return the key of the figure that shows this model and data set."""
        return FigureKey(
            self.kind, model if self.scope == "model and dataset" else "", "" if self.scope == "run" else dataset
        )

    def make(self, inputs: "ReportInputs", model: str, dataset: str) -> FigureResult:
        """Draw the figure of this model and data set."""
        result: FigureResult = import_module(f"{__name__}.{self.kind}").make_figure(inputs, model, dataset)
        return result


_ONE: Final = "model and dataset"
_PREDICTIONS = ("classification", "binding", "lewis")
FIGURES: dict[str, FigureKind] = {
    kind.kind: kind
    for kind in (
        FigureKind(
            "efficiency", "Figure 2: efficiency", "Figure 2: efficiency", ("efficiency",), _ONE, data=("{stem}",)
        ),
        FigureKind("denoised", "Figure 3: denoised images", "Figure 3: denoised images", ("denoised", "prompts"), _ONE),
        FigureKind(
            "reliability",
            "Figure 5: calibration",
            "Figure 5: calibration",
            ("tables/calibration.csv", "replayed/reliability.csv"),
            _ONE,
            requires=("full_scores",),
        ),
        FigureKind("samples", "Figure 6: samples", "Figure 6: samples", ("samples", "prompts"), _ONE),
        FigureKind("scenes", "Rendered scenes", "Attribute binding", ("images",), requires=("binding",)),
        FigureKind(
            "binding", "Table 3 as a figure", "Attribute binding", ("tables/table3.csv",), requires=("binding",)
        ),
        FigureKind(
            "controlled",
            "Seen and held-out combinations",
            "Attribute binding",
            ("binding",),
            caption="controlled-figure",
        ),
        FigureKind(
            "binding_errors",
            "Errors of attribute binding",
            "Attribute binding",
            ("binding", "items", "prompts", "images"),
            data=("{stem}-shapes", "{stem}-larger"),
        ),
        FigureKind("timesteps", "Decision by timestep", "Replayed", ("full_scores",), _ONE, data=("{stem}",)),
        FigureKind("frontier", "Accuracy against cost", "Replayed", ("full_scores",), _ONE, data=("{stem}",)),
        FigureKind("sensitivity", "Sensitivity", "Replayed", ("full_scores",), _ONE, data=("{stem}",)),
        FigureKind(
            "shape_bias",
            "Shape or texture, by category",
            "Decisions",
            ("classification", "prompts"),
            "dataset",
            data=("{stem}",),
            shows="cue conflict",
        ),
        FigureKind(
            "confusion",
            "Confusion matrix",
            "Decisions",
            ("classification", "prompts"),
            _ONE,
            shows="diffusion models",
        ),
        FigureKind("calls", "Calls per item", "Decisions", _PREDICTIONS, shows="diffusion models"),
        FigureKind(
            "paired_comparison",
            "Paired comparison",
            "Decisions",
            ("tables/paired_comparison.csv",),
            caption="paired_comparison-figure",
            requires=_PREDICTIONS,
            min_results=2,
        ),
    )
}
"""Every kind of figure, in the order of the report page."""


def write_figures(inputs: "ReportInputs", keys: Iterable[FigureKey], sources: "Sources | None" = None) -> None:
    """Draw these figures and write them to `figures/` in the folder of the run, as SVG and PNG with the CSV files behind them.

    Parameters
    ----------
    inputs
        What they are drawn from.
    keys
        The figures.
    sources
        Digests of the files of `inputs`, which a JSON file beside each figure names.
    """
    from diffzero.reporting.digests import write_digests
    from diffzero.reporting.figures.style import save_figure
    from diffzero.reporting.table_format import write_csv

    figures_dir = inputs.run_dir / "figures"
    for key in keys:
        result = FIGURES[key.kind].make(inputs, key.model, key.dataset)
        data = {figures_dir / f"{stem}.csv": frame for stem, frame in result.data.items()}
        for path, frame in data.items():
            write_csv(frame, path)
        pictures = save_figure(result.figure, figures_dir / key.stem)
        write_digests(figures_dir / f"{key.stem}.json", [*pictures, *data], sources)
