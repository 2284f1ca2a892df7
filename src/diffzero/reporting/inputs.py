"""The inputs of the tables and figures of one run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, TypedDict, TypeVar

import pandas as pd

from diffzero.analysis.load import (
    FullScoreSource,
    PredictionSource,
    load_full_scores,
    load_predictions,
)
from diffzero.analysis.score_array import ScoreArray
from diffzero.diffusion.schedule import NoiseSchedule
from diffzero.diffusion.weighting import Heuristic, Weighting, make_weight_fn, make_weight_fns
from diffzero.pruning.policies import Policy, TTest
from diffzero.reporting.digests import read_intact
from diffzero.typing import WeightFn
from diffzero.utils.result_files import read_record

FULL_SCORES = "full_scores"
"""The key of `ReportInputs.missing` for full scores; the other keys are groups of predictions."""


GROUPS = ("classification", "binding", "lewis", "ablations")
"""The groups of predictions."""


class RequestedResult(TypedDict):
    """A result that the configuration requests, whether its predictions exist or not."""

    model: str
    dataset: str
    kind: Literal["diffusion", "baseline"]


class AblationRow(TypedDict):
    """A row of the table of ablations."""

    study: Literal["downsampled", "template"]
    model: str
    dataset: str
    setting: str
    scored_dataset: str  # the data set of the ablation; `dataset` for the plain setting


class DatasetFiles(TypedDict):
    """The files of a data set that was prepared for scoring."""

    prompts: str
    items: str
    images: str


class Prompts(TypedDict):
    """The content of a prompts file."""

    prompts: list[str]
    classnames: list[str]
    duplicates: list[list[int]]  # groups of labels with the same prompt


class EfficiencySource(TypedDict):
    """The full scores behind one Figure 2."""

    model: str
    dataset: str
    shared: list[str]  # shards of shared noise
    unshared: list[str]
    weights: str  # the record of the model's checkpoint
    items: str


class PictureSource(TypedDict):
    """The images behind one Figure 3 (denoised) or Figure 6 (samples)."""

    model: str
    dataset: str
    file: str  # safetensors
    settings: str  # of the sampler, for the title; empty for denoised images


PairSource = TypeVar("PairSource", EfficiencySource, PictureSource, FullScoreSource)


def find_source(sources: Sequence[PairSource], model: str, dataset: str) -> PairSource:
    """Return the source of this model and data set."""
    return next(source for source in sources if (source["model"], source["dataset"]) == (model, dataset))


@dataclass(frozen=True)
class ReportInputs:
    """Everything that the tables and figures of a run are built from.

    The workflow fills it in; a field that no requested table or figure needs may keep its default. `group` below is a key of
    `predictions`, one of GROUPS.
    """

    run_dir: Path
    """Folder of the run: tables are written to `tables/`, figures to `figures/`, data between the two to `replayed/`."""
    paper_dir: Path = Path("config/paper")
    """Folder of the numbers that the paper reports."""
    predictions: Mapping[str, Sequence[PredictionSource]] = field(default_factory=dict)
    """Predictions files by group."""
    requested: Mapping[str, Sequence[RequestedResult]] = field(default_factory=dict)
    """Results that the run requests, by group."""
    missing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Notes on results that do not exist yet, by group or FULL_SCORES."""
    full_scores: Sequence[FullScoreSource] = ()
    costs: Sequence[str] = ()
    """Cost files of all scorings."""
    main_costs: Sequence[str] = ()
    """Cost files of the scorings behind Table 1."""
    datasets: Mapping[str, DatasetFiles] = field(default_factory=dict)
    cue_datasets: Sequence[str] = ()
    """Data sets whose images have a shape and a texture label."""
    selections: Mapping[str, str] = field(default_factory=dict)
    """Records of the selected images, by data set that leaves out unreadable ones."""
    seen_by_models: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By data set, the models that were trained on images of its domain."""
    test_sizes: Mapping[str, int | None] = field(default_factory=dict)
    """Images in the whole test set by data set; None where it is unknown."""
    ablations: Sequence[AblationRow] = ()
    """Rows of the table of ablations."""
    efficiency: Sequence[EfficiencySource] = ()
    denoised: Sequence[PictureSource] = ()
    samples: Sequence[PictureSource] = ()
    scenes: str = ""
    """Name of the data set of rendered scenes."""
    seed: int = 0
    """The run's first noise seed."""
    policy: Policy = TTest()
    """The run's policy."""
    pruning: TTest = TTest()
    """The t-test that replays vary: the run's policy, or the paper's where the run's is of another kind."""
    weighting: Weighting = Heuristic()
    """The run's weighting."""

    def load_predictions(self, *groups: str) -> pd.DataFrame:
        """Load the predictions of these groups, with the columns of `diffzero.analysis.load.load_predictions`."""
        return load_predictions(source for group in groups for source in self.predictions.get(group, ()))

    def list_requested(self, *groups: str) -> pd.DataFrame:
        """Return the requested results of these groups: columns model, dataset and kind."""
        rows = [row for group in groups for row in self.requested.get(group, ())]
        return pd.DataFrame(rows, columns=["model", "dataset", "kind"])

    def missing_notes(self, *groups: str) -> list[str]:
        """Return the notes on missing results of these groups."""
        return [note for group in groups for note in self.missing.get(group, ())]

    def load_reported(self, name: str) -> pd.DataFrame:
        """Load numbers that the paper reports: table1 to table4, or ablations."""
        return pd.read_csv(self.paper_dir / f"{name}.csv")

    def load_table(self, name: str) -> pd.DataFrame:
        """Load a result table that this run has written, after comparing its files with their digests."""
        table = self.run_dir / "tables" / f"{name}.json"
        read_intact(table)
        return pd.read_csv(table.with_suffix(".csv"))

    def load_prompts(self, dataset: str) -> Prompts:
        """Load the prompts file of a data set."""
        return read_record(Path(self.datasets[dataset]["prompts"]))

    def count_unreadable(self) -> dict[str, int]:
        """Return the number of unreadable images that were left out, by data set."""
        return {name: len(read_record(file)["unreadable"]) for name, file in self.selections.items()}

    @cached_property
    def _scores_and_schedules(self) -> dict[tuple[str, str], tuple[ScoreArray, NoiseSchedule]]:
        return load_full_scores(self.full_scores)

    @cached_property
    def score_arrays(self) -> dict[tuple[str, str], ScoreArray]:
        """Full scores by (model, data set)."""
        return {key: scores for key, (scores, _) in self._scores_and_schedules.items()}

    @cached_property
    def fixed_weight_fns(self) -> dict[tuple[str, str], dict[str, WeightFn]]:
        """Every fixed weighting on the schedule of the model, by (model, data set) and name."""
        return {
            key: make_weight_fns(self.weighting, schedule) for key, (_, schedule) in self._scores_and_schedules.items()
        }

    @property
    def weight_fns(self) -> dict[tuple[str, str], WeightFn]:
        """The run's weighting by (model, data set)."""
        return {
            key: make_weight_fn(self.weighting, schedule) for key, (_, schedule) in self._scores_and_schedules.items()
        }

    @property
    def heuristics(self) -> dict[tuple[str, str], WeightFn]:
        """The heuristic weighting by (model, data set)."""
        return {key: fixed["heuristic"] for key, fixed in self.fixed_weight_fns.items()}
