"""Derive the scorings, sizes and files of a run from its configuration."""

import functools
import math
from functools import cached_property
from pathlib import Path

from diffzero.binding.lewis import LEWIS, UNKNOWN_ATTRIBUTES
from diffzero.binding.tasks import tasks_without
from diffzero.config import (
    Ablation,
    AttributeBinding,
    Clip,
    ConfigError,
    Dataset,
    Diffusion,
    Run,
    Supervised,
    load_dataset,
    load_model,
)
from diffzero.pruning.policies import Full, Policy
from diffzero.workflow.paths import SCENES, RunPaths, ablation_name
from diffzero.workflow.scoring_spec import Scoring

# Snakemake needs them several times per job, and a run may have thousands of jobs.
_load_model = functools.cache(load_model)
_load_dataset = functools.cache(load_dataset)


class Experiment:
    """The scorings, sizes and files of a run.

    Parameters
    ----------
    run
        The checked configuration.
    root
        The folder that holds `config`.
    """

    def __init__(self, run: Run, root: Path) -> None:
        self.run, self.root = run, root
        self.run_dir = f"{run.results}/{run.name}"
        self.paths = RunPaths(self.run_dir)
        clash = [name for name in self.scene_datasets if name in run.datasets]
        if clash:
            raise ConfigError(
                f"'datasets' holds '{clash[0]}', which is the name of the scenes of 'attribute_binding'. "
                f"Rename config/datasets/{clash[0]}.yaml."
            )

    # Settings of models and data sets

    def model_or_baseline(self, name: str) -> Diffusion | Clip | Supervised:
        """Return the settings of a model of any kind."""
        return _load_model(name, self.root)

    def model(self, name: str) -> Diffusion:
        """Return the settings of a diffusion model."""
        settings = self.model_or_baseline(name)
        if not isinstance(settings, Diffusion):
            raise ConfigError(f"found the {settings.kind} model '{name}', expected a diffusion model.")
        return settings

    def baseline(self, name: str) -> Clip | Supervised:
        """Return the settings of a baseline."""
        settings = self.model_or_baseline(name)
        if isinstance(settings, Diffusion):
            raise ConfigError(f"found the diffusion model '{name}', expected a baseline.")
        return settings

    def supports(self, baseline: str, dataset: str) -> bool:
        """Return whether a baseline can classify a data set. CLIP can classify all, a supervised network those in its `classes`."""
        settings = self.baseline(baseline)
        return isinstance(settings, Clip) or dataset in settings.classes

    def dataset(self, name: str) -> Dataset:
        """Return the settings of a data set, or of the data set of an ablation."""
        ablation = self.ablations.get(name)
        settings = _load_dataset(ablation.dataset if ablation else name, self.root)
        if ablation is None or ablation.prompt_template is None:
            return settings
        return settings.model_copy(update={"prompt_template": ablation.prompt_template})

    @cached_property
    def ablations(self) -> dict[str, Ablation]:
        """The ablations by the name of their data set; several models may share one."""
        return {ablation_name(entry): entry for entry in self.run.ablations}

    def downsample_to(self, dataset: str) -> int | None:
        """Return the size in pixels to which images are downsampled first (Section 4.1); None for other data sets."""
        return self.ablations[dataset].downsample_to if dataset in self.ablations else None

    # Scenes of the attribute-binding tasks

    @property
    def renders_scenes(self) -> bool:
        """Return whether the run has the attribute-binding tasks on rendered scenes."""
        return bool(self.run.attribute_binding and self.run.attribute_binding.examples_per_task)

    @property
    def scene_datasets(self) -> list[str]:
        """The data sets of scenes, each with its own attribute-binding tasks: rendered, and those of Lewis et al."""
        lewis = bool(self.run.attribute_binding and self.run.attribute_binding.lewis)
        return [name for name, is_used in ((SCENES, self.renders_scenes), (LEWIS, lewis)) if is_used]

    @property
    def _binding(self) -> AttributeBinding:
        if self.run.attribute_binding is None:
            raise ConfigError(
                "key 'attribute_binding' is missing, but scenes need it. Add it to the configuration of the run."
            )
        return self.run.attribute_binding

    def unknown_attributes(self, dataset: str) -> list[str]:
        """Return the attributes of objects that are not labelled in a data set of scenes."""
        return list(UNKNOWN_ATTRIBUTES) if dataset == LEWIS else []

    def examples_per_task(self, dataset: str) -> int | None:
        """Return the number of scenes per attribute-binding task; None: all scenes that the task can use.

        The scenes of Lewis et al. are limited by their number of images instead.
        """
        return None if dataset == LEWIS else self._binding.examples_per_task

    def scene_files(self, dataset: str) -> list[str]:
        """Return the scene tables from which a data set of scenes is prepared."""
        return [self.paths.lewis_scenes()] if dataset == LEWIS else self.rendered_scene_files()

    @cached_property
    def scene_count(self) -> int:
        """The number of scenes to render.

        About every second scene has objects of different sizes, which the tasks with Size need. The margin over 2 n,
        6 sqrt(n) + 12, is more than four standard deviations of that number.
        """
        needed = (self._binding.examples_per_task or 0) if self.renders_scenes else 0
        return 2 * needed + math.ceil(6 * math.sqrt(needed)) + 12 if needed else 0

    def rendered_scene_files(self) -> list[str]:
        """Return the files of the rendered scenes, one per job."""
        return self.paths.rendered_scenes(math.ceil(self.scene_count / self._binding.scenes_per_job))

    # Scorings

    def _pruned_scoring(
        self, model: str, dataset: str, seed: int, policy: Policy, noise_dataset: str | None = None
    ) -> Scoring:
        """Return a scoring under a policy. The weighting decides which classes a policy drops, and so which scores it needs."""
        weighting = self.run.weighting if policy.drops_classes else None
        return Scoring(model, dataset, seed, policy, weighting, noise_dataset=noise_dataset)

    @cached_property
    def main_scorings(self) -> list[Scoring]:
        """The scorings of Tables 1 and 3."""
        run, seeds = self.run, self.run.noise_seeds
        scorings = [self._pruned_scoring(m, d, s, run.policy) for m in run.models for d in run.datasets for s in seeds]
        for name in self.scene_datasets:
            models = self._binding.models or run.models
            scorings += [self._pruned_scoring(m, name, s, self._binding.policy) for m in models for s in seeds]
        return scorings

    def figure2_scorings(self, model: str, dataset: str) -> tuple[Scoring, Scoring]:
        """Return the two scorings of one Figure 2, without pruning: with shared and with unshared noise."""
        entry = next(e for e in self.run.figure2_efficiency if (e.model, e.dataset) == (model, dataset))
        shared, unshared = (
            self._full_scoring(model, dataset, entry.n_images, entry.draws, unshared) for unshared in (False, True)
        )
        return shared, unshared

    def _full_scoring(self, model: str, dataset: str, n_images: int, draws: int, unshared: bool = False) -> Scoring:
        seed = self.run.noise_seeds[0]
        return Scoring(model, dataset, seed, Full(max_scores=draws), None, unshared=unshared, n_images=n_images)

    @cached_property
    def scorings(self) -> dict[tuple[str, str, int, str], Scoring]:
        """Every scoring of the run by (model, data set, seed, slug)."""
        figure2 = [s for e in self.run.figure2_efficiency for s in self.figure2_scorings(e.model, e.dataset)]
        scorings = [*self.main_scorings, *figure2, *self.full_scorings, *self.ablation_scorings]
        return {(s.model, s.dataset, s.seed, s.slug): s for s in scorings}

    @cached_property
    def full_scorings(self) -> list[Scoring]:
        """The scorings without pruning and with shared noise: per model and data set the one with the most scores."""
        largest: dict[tuple[str, str], tuple[int, Scoring]] = {}
        entries = [(e.model, e.dataset, e.n_images, e.draws) for e in self.run.figure2_efficiency]
        entries += [(e.model, e.dataset, e.n_images, e.draws) for e in self.run.full_scoring]
        for model, dataset, n_images, draws in entries:
            size, _ = largest.get((model, dataset), (0, None))
            if n_images * draws > size:
                largest[model, dataset] = (n_images * draws, self._full_scoring(model, dataset, n_images, draws))
        return [scoring for _, scoring in largest.values()]

    @cached_property
    def ablation_scorings(self) -> list[Scoring]:
        """The scorings of the ablations, each with the first seed and the draws of the plain data set."""
        policy, seed = self.run.policy, self.run.noise_seeds[0]
        return [self._pruned_scoring(a.model, ablation_name(a), seed, policy, a.dataset) for a in self.run.ablations]

    # Sizes

    def max_image_count(self, scoring: Scoring) -> int:
        """Return an upper bound of the number of images of a scoring; the data set itself may hold fewer."""
        if scoring.dataset in self.scene_datasets:
            lewis = self._binding.lewis
            return lewis.max_images if lewis and scoring.dataset == LEWIS else self.scene_count
        images = scoring.n_images or self.run.max_images
        return min(images, self.dataset(scoring.dataset).test_size or images)

    def class_count(self, dataset: str) -> int:
        """Return the number of classes per race: those of the data set, or for scenes two, a true and a false sentence."""
        return 2 if dataset in self.scene_datasets else len(set(self.dataset(dataset).classnames))

    def task_count(self, dataset: str) -> int:
        """Return the number of attribute-binding tasks of a data set of scenes; 1 for other data sets."""
        return len(tasks_without(self.unknown_attributes(dataset))) if dataset in self.scene_datasets else 1

    def race_count(self, scoring: Scoring, images: int) -> int:
        """Return the number of races of a scoring of `images` images: one per image, or for scenes one per task and example."""
        examples = self.examples_per_task(scoring.dataset) if scoring.dataset in self.scene_datasets else None
        return self.task_count(scoring.dataset) * min(images, examples or images)

    def expected_calls_per_image(self, scoring: Scoring) -> float:
        """Return the expected calls of all races of one image before anything is measured."""
        return self.task_count(scoring.dataset) * scoring.policy.expected_calls(self.class_count(scoring.dataset))

    def expected_calls_per_shard(self, scoring: Scoring) -> float:
        """Return the expected calls of the largest shard before anything is measured; images are split evenly."""
        images = math.ceil(self.max_image_count(scoring) / self.shard_count(scoring))
        return images * self.expected_calls_per_image(scoring)

    def shard_count(self, scoring: Scoring) -> int:
        """Return the number of shards of a scoring: as few as `max_images_per_job` and `max_calls_per_job` allow.

        The number depends on the configuration alone, so that a measurement changes no path.
        """
        affordable = max(1, int(self.run.max_calls_per_job // self.expected_calls_per_image(scoring)))
        return math.ceil(self.max_image_count(scoring) / min(self.run.max_images_per_job, affordable))

    # Files

    def score_files(self, scoring: Scoring) -> list[str]:
        """Return the files of the score shards of a scoring, one per job."""
        return self.paths.scores(scoring, self.shard_count(scoring))

    def predictions_file(self, scoring: Scoring) -> str:
        """Return the predictions of a scoring under the weighting of the run."""
        return self.paths.predictions(scoring, self.run.weighting)

    def baseline_predictions(self, dataset: str) -> dict[str, str]:
        """Return the prediction files of the baselines on a data set, by the name of the baseline in tables."""
        names = self.run.baselines
        if dataset in self.scene_datasets and self._binding.baselines is not None:
            names = self._binding.baselines
        return {
            name if pixels is None else f"{name}@{pixels}": self.paths.baseline_predictions(name, dataset, pixels)
            for name in names
            if self.supports(name, dataset)
            for pixels in self.baseline(name).downsample_to
        }
