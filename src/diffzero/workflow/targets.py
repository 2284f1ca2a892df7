"""Choose the tables, figures and inputs of a run: all of them, or those that existing results allow."""

import shlex
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from diffzero.analysis.load import PredictionSource
from diffzero.binding.lewis import LEWIS
from diffzero.reporting.figures import FIGURES, FigureKey, FigureKind
from diffzero.reporting.inputs import FULL_SCORES, GROUPS, AblationRow, RequestedResult
from diffzero.reporting.table_format import TABLE_FORMATS
from diffzero.reporting.tables import TABLES, Table
from diffzero.utils.commands import snakemake_command
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.paths import SCENES, ablation_name
from diffzero.workflow.results import RequiredResult
from diffzero.workflow.scoring_spec import Scoring

if TYPE_CHECKING:
    from diffzero.reporting.html import RunFacts

Subject = tuple[str, str]  # the model and data set of a result


def command_line(files: Sequence[str], overrides: Sequence[str]) -> str:
    """Return the command that starts a run; targets can be appended.

    Parameters
    ----------
    files
        Configuration files, as for `--configfile`.
    overrides
        Entries of `--config`.
    """
    is_default = list(files) in ([], ["config/config.yaml"])
    words = [snakemake_command(), *(["--profile", "slurm"] if is_default else ["--cores", "all"])]
    if not is_default:
        words += [f"--configfile={files[0]}"] if len(files) == 1 else ["--configfile", *files]
    words += ["--config", *overrides] if overrides else []
    # `--config` and a `--configfile` of several files take all words that follow; `--` ends them before the targets.
    return shlex.join([*words, "--"] if overrides or len(files) > 1 else words)


class TargetSet:
    """The tables, figures and report of a run, and the files that each is made from.

    Parameters
    ----------
    experiment
        The run.
    existing_only
        Called once, when targets are known. If it returns true, results that would need scoring are left out.
    command
        The command that starts this run, without targets.
    """

    def __init__(self, experiment: Experiment, existing_only: Callable[[], bool], command: str) -> None:
        self.experiment, self.run, self.paths = experiment, experiment.run, experiment.paths
        self._get_existing_only, self.command = existing_only, command

    @cached_property
    def existing_only(self) -> bool:
        """Return whether results that would need scoring are left out. Snakemake knows its targets only after it has read all rules."""
        return self._get_existing_only()

    def _is_included(self, result: RequiredResult) -> bool:
        return not self.existing_only or result.is_available

    def _predictions_result(self, scoring: Scoring) -> RequiredResult:
        seed = f", seed {scoring.seed}" if len(self.run.noise_seeds) > 1 else ""
        shards = tuple(self.experiment.score_files(scoring))
        return RequiredResult(
            f"{scoring.model} on {scoring.dataset}{seed}", self.experiment.predictions_file(scoring), shards
        )

    def _full_scores_result(self, scoring: Scoring) -> RequiredResult:
        shards = tuple(self.experiment.score_files(scoring))
        return RequiredResult(f"full scores of {scoring.model} on {scoring.dataset}", shards[-1], shards)

    def _predictions(
        self, scorings: list[Scoring], datasets: list[str]
    ) -> list[tuple[PredictionSource, RequiredResult]]:
        """Return the sources of the scorings, and of the baselines on the data sets."""
        pairs: list[tuple[PredictionSource, RequiredResult]] = []
        for s in scorings:
            result = self._predictions_result(s)
            source = PredictionSource(model=s.model, dataset=s.dataset, seed=s.seed, kind="diffusion", file=result.file)
            pairs.append((source, result))
        seed = self.run.noise_seeds[0]
        for dataset in datasets:
            for model, file in self.experiment.baseline_predictions(dataset).items():
                source = PredictionSource(model=model, dataset=dataset, seed=seed, kind="baseline", file=file)
                pairs.append((source, RequiredResult(f"{model} on {dataset}", file)))
        return pairs

    @cached_property
    def _groups(self) -> dict[str, list[tuple[PredictionSource, RequiredResult]]]:
        """The predictions of GROUPS."""
        main, scenes = self.experiment.main_scorings, self.experiment.scene_datasets
        # An accuracy over rendered scenes and those of Lewis et al. would describe neither set.
        binding, lewis = ([name] if name in scenes else [] for name in (SCENES, LEWIS))
        return {
            "classification": self._predictions([s for s in main if s.dataset not in scenes], self.run.datasets),
            "binding": self._predictions([s for s in main if s.dataset in binding], binding),
            "lewis": self._predictions([s for s in main if s.dataset in lewis], lewis),
            "ablations": self._predictions(self.experiment.ablation_scorings, []),
        }

    # Sources of tables and figures

    def requested(self, *groups: str) -> list[RequestedResult]:
        """Return every result that the configuration requests, available or not."""
        sources = [source for group in groups for source, _ in self._groups[group]]
        return [RequestedResult(model=s["model"], dataset=s["dataset"], kind=s["kind"]) for s in sources]

    def sources(self, *groups: str) -> list[PredictionSource]:
        """Return the prediction files of these groups that are read."""
        return [source for group in groups for source, result in self._groups[group] if self._is_included(result)]

    def full_scorings(self) -> list[Scoring]:
        """Return the scorings without pruning whose scores are read."""
        return [s for s in self.experiment.full_scorings if self._is_included(self._full_scores_result(s))]

    def costed_scorings(self) -> list[Scoring]:
        """Return the scorings that the cost table lists."""
        scorings = self.experiment.scorings.values()
        return [
            s
            for s in scorings
            if not self.existing_only or all(Path(file).exists() for file in self.experiment.score_files(s))
        ]

    def datasets(self, *groups: str) -> list[str]:
        """Return the data sets with a prediction file in these groups."""
        return list(dict.fromkeys(source["dataset"] for source in self.sources(*groups)))

    def all_datasets(self) -> list[str]:
        """Return the data sets with a result of any kind."""
        return list(dict.fromkeys([*self.datasets(*GROUPS), *(s.dataset for s in self.full_scorings())]))

    def diffusion_models(self) -> list[str]:
        """Return the diffusion models with a result of any kind."""
        names = [source["model"] for source in self.sources(*GROUPS) if source["kind"] == "diffusion"]
        return list(dict.fromkeys([*names, *(s.model for s in self.full_scorings())]))

    def models(self) -> list[str]:
        """Return the models with a result of any kind, baselines included; one on downsampled images counts as itself."""
        files = [Path(source["file"]).parts for source in self.sources(*GROUPS) if source["kind"] == "baseline"]
        return list(dict.fromkeys([*self.diffusion_models(), *(parts[-3] for parts in files)]))

    def cue_conflict_datasets(self) -> list[str]:
        """Return the data sets of the run whose images have a shape and a texture."""
        return [name for name in self.run.datasets if self.experiment.dataset(name).cue_pattern]

    def ablation_rows(self) -> list[AblationRow]:
        """Return the rows of the table of ablations. The plain setting of a model and data set comes before its ablations."""
        rows: dict[tuple[str, ...], AblationRow] = {}
        for a in self.run.ablations:
            study: Literal["downsampled", "template"] = "downsampled" if a.downsample_to else "template"
            if a.downsample_to:
                plain, changed = "full resolution", f"downsampled to {a.downsample_to}x{a.downsample_to}"
            else:
                plain, changed = "plain template", f"template {a.prompt_template}"
            for setting, scored in ((plain, a.dataset), (changed, ablation_name(a))):
                row = AblationRow(study=study, model=a.model, dataset=a.dataset, setting=setting, scored_dataset=scored)
                rows.setdefault((study, a.model, a.dataset, setting), row)
        return sorted(rows.values(), key=lambda row: (row["study"], row["model"], row["dataset"]))

    # Missing results

    def missing_results(self, *groups: str, full_scoring: bool = False) -> list[RequiredResult]:
        """Return the results of these groups that are left out because they do not exist."""
        results = [result for group in groups for _, result in self._groups[group]]
        results += map(self._full_scores_result, self.experiment.full_scorings) if full_scoring else []
        return [result for result in results if not self._is_included(result)]

    def missing_notes(self, *groups: str, full_scoring: bool = False) -> list[str]:
        """Return a note per missing result, with the command that makes it."""
        missing = self.missing_results(*groups, full_scoring=full_scoring)
        return [f"Not available yet: {result.progress}. `{self.command} {result.file}`" for result in missing]

    def all_missing_results(self) -> list[RequiredResult]:
        """Return every result that tables and figures lack."""
        figures = [result for result in self._model_figures.values() if not self._is_included(result)]
        return self.missing_results(*GROUPS, full_scoring=True) + figures

    def all_missing_notes(self) -> list[str]:
        """Return a note per result that tables and figures lack, with the command that makes it."""
        return [f"{result.progress}: `{self.command} {result.file}`" for result in self.all_missing_results()]

    def missing_summary(self) -> str:
        """Return the message that follows the tables, figures or report of an unfinished run; empty if nothing is missing."""
        notes = self.all_missing_notes() if self.existing_only else []
        head = f"\ndiffzero: {len(notes)} results do not exist yet and are shown as missing. The command for each:\n"
        return head + "".join(f"  {note.replace('`', '')}\n" for note in notes) if notes else ""

    def is_empty(self) -> bool:
        """Return whether the run has no predictions, no full scores and no images for figures."""
        predictions = (result for group in self._groups.values() for _, result in group)
        full = map(self._full_scores_result, self.experiment.full_scorings)
        return not any(result.is_available for result in (*predictions, *full, *self._model_figures.values()))

    # Output files

    def tables(self) -> list[Table]:
        """Return the result tables of the run."""
        return [table for table in TABLES.values() if not table.requires or self._groups[table.requires]]

    def table_files(self) -> list[str]:
        """Return the files of the result tables."""
        return [self.paths.table(table.name, suffix) for table in self.tables() for suffix in TABLE_FORMATS]

    def export_files(self) -> list[str]:
        """Return the files of decisions on cue-conflict images for model-vs-human, where each seed is a session."""
        names, seeds = self.cue_conflict_datasets(), self.run.noise_seeds
        return [
            self.paths.model_vs_human(s["dataset"], s["model"], seeds.index(s["seed"]) + 1)
            for s in self.sources("classification")
            if s["dataset"] in names
        ]

    @cached_property
    def _model_figures(self) -> dict[FigureKey, RequiredResult]:
        """Figures 2, 3 and 6, each of which needs its own calls of the model."""
        results = {}
        for e in self.run.figure2_efficiency:
            scorings = self.experiment.figure2_scorings(e.model, e.dataset)
            shards = tuple(file for scoring in scorings for file in self.experiment.score_files(scoring))
            key = FigureKey("efficiency", e.model, e.dataset)
            results[key] = RequiredResult(
                f"Figure 2 of {e.model} on {e.dataset}", self.paths.figure(key.stem, "svg"), shards
            )
        pictures = [("denoised", 3, e.model, e.dataset) for e in self.run.figure3_denoised]
        pictures += [("samples", 6, e.model, e.dataset) for e in self.run.figure6_samples]
        for kind, number, model, dataset in pictures:
            file = self.paths.pictures(kind, model, dataset)
            results[FigureKey(kind, model, dataset)] = RequiredResult(f"Figure {number} of {model} on {dataset}", file)
        return results

    def _subjects(self, kind: FigureKind) -> list[Subject]:
        """Return the model and data set of every result that a kind of figure shows, once per seed."""
        subjects: list[Subject] = []
        if FULL_SCORES in kind.results:
            subjects += [(s.model, s.dataset) for s in self.full_scorings()]
        if kind.kind in kind.results:  # the result belongs to this figure alone
            pictures = self._model_figures.items()
            subjects += [
                (k.model, k.dataset) for k, result in pictures if k.kind == kind.kind and self._is_included(result)
            ]
        cue_conflict = self.cue_conflict_datasets()
        for source in self.sources(*(group for group in GROUPS if group in kind.results)):
            is_shown = {
                "all": True,
                "diffusion models": source["kind"] == "diffusion",
                "cue conflict": source["dataset"] in cue_conflict,
            }
            subjects += [(source["model"], source["dataset"])] if is_shown[kind.shows] else []
        return subjects

    def figure_keys(self) -> list[FigureKey]:
        """Return the figures, in the order of the report page."""
        keys = []
        for kind in FIGURES.values():
            subjects = self._subjects(kind)
            if len(subjects) >= kind.min_results:
                keys += [kind.key(model, dataset) for model, dataset in subjects]
        return list(dict.fromkeys(keys))

    def figure_stems(self) -> list[str]:
        """Return the stems of the figures' files."""
        return [key.stem for key in self.figure_keys()]

    def figure_files(self) -> list[str]:
        """Return the files of the figures, each as SVG and PNG."""
        return [self.paths.figure(stem, suffix) for stem in self.figure_stems() for suffix in ("svg", "png")]

    def report_facts(self) -> "RunFacts":
        """Return the facts about the run that the report shows."""
        run = self.run
        policy, weighting = run.policy.model_dump(), run.weighting.model_dump()
        models = [source["model"] for source in self.sources("classification", "binding", "lewis")]
        return {
            "run": run.name,
            "seeds": list(run.noise_seeds),
            "subset_seed": run.subset_seed,
            "images": run.max_images,
            "policy": ", ".join(f"{key} {value}" for key, value in policy.items() if value != []),
            "weighting": ", ".join(f"{key} {value}" for key, value in weighting.items()),
            "command": self.command,
            "run_dir": self.experiment.run_dir,
            "datasets": self.all_datasets(),
            "models": list(dict.fromkeys([*self.diffusion_models(), *models])),
        }
