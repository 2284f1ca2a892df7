"""A run as the workflow sees it: which scores, shards and files follow from a configuration. All paths are made here."""

import functools
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from diffzero.binding.lewis import LEWIS, UNKNOWN_ATTRIBUTES
from diffzero.binding.tasks import tasks_without
from diffzero.config import (
    Ablation,
    Baseline,
    Clip,
    ConfigError,
    Dataset,
    Diffusion,
    Run,
    load_dataset,
    load_model,
)
from diffzero.diffusion.weighting import Weighting
from diffzero.pruning.policies import Full, Policy

SCENES = "scenes"  # the data set of the binding tasks on rendered scenes


def variant_name(variant: Ablation) -> str:
    """The name that a variant bears as a data set, in paths and tables."""
    change = f"reduced-{variant.downsample_to}" if variant.downsample_to else f"template-{variant.prompt_template}"
    return f"{variant.dataset}-{change}"


@dataclass(frozen=True)
class Scoring:
    """One set of scores: a model on a data set under a policy."""

    model: str
    dataset: str
    seed: int
    policy: Policy
    weighting: (
        Weighting | None
    )  # by which classes are dropped; None where none is, and any weighting has the same scores
    unshared: bool = False
    first: int | None = None  # only the first images of the selection
    noise_of: str | None = None  # the data set whose draws are taken, where it is not `dataset`: a variant's plain one

    @property
    def race(self) -> str:
        """What tells this scoring from others of the same model, data set and seed, as part of a path."""
        scope = "" if self.first is None else f"first{self.first}-"
        by = "" if self.weighting is None else f"-{self.weighting.slug}"
        return f"{scope}{'unshared' if self.unshared else 'shared'}-{self.policy.slug}{by}"

    def params(self) -> dict:
        """What a scoring job needs to know, as plain values for a rule's params."""
        policy = self.policy.model_dump(mode="json")
        weighting = self.weighting.model_dump(mode="json") if self.weighting else None
        noise_of = self.noise_of or self.dataset
        return {
            "policy": policy,
            "weighting": weighting,
            "unshared": self.unshared,
            "first": self.first,
            "noise_of": noise_of,
        }


# Snakemake asks for them several times a job, and a run may have thousands: read once each.
_model = functools.cache(load_model)
_dataset = functools.cache(load_dataset)


class Experiment:
    """Everything that rules ask about a run. `root` is the folder that holds `config`."""

    def __init__(self, run: Run, root: Path) -> None:
        self.run, self.root = run, root
        self.folder = f"{run.results}/{run.name}"
        clash = [name for name in self.scene_sets if name in run.datasets]
        if clash:
            raise ConfigError(
                f"'datasets' holds '{clash[0]}', which is the name of the scenes of 'attribute_binding'. "
                f"Rename config/datasets/{clash[0]}.yaml."
            )

    def model(self, name: str) -> Diffusion:
        """The settings of a diffusion model."""
        return _model(name, self.root)

    def baseline(self, name: str) -> Baseline:
        """The settings of a baseline."""
        return _model(name, self.root)

    def baselines(self, kind: str) -> list[str]:
        """The run's baselines of a kind, "clip" or "supervised"."""
        named = dict.fromkeys(
            [*self.run.baselines, *((self.run.attribute_binding and self.run.attribute_binding.baselines) or [])]
        )
        return [name for name in named if self.baseline(name).kind == kind]

    def answers(self, name: str, dataset: str) -> bool:
        """Whether a baseline can be asked about a data set: CLIP about any, a supervised one where its classes are known."""
        settings = self.baseline(name)
        return isinstance(settings, Clip) or dataset in settings.classes

    def dataset(self, name: str) -> Dataset:
        """The settings of a data set or of a variant of one."""
        variant = self.variants.get(name)
        settings = _dataset(variant.dataset if variant else name, self.root)
        changed = variant is not None and variant.prompt_template is not None
        return settings.model_copy(update={"prompt_template": variant.prompt_template}) if changed else settings

    @cached_property
    def variants(self) -> dict[str, Ablation]:
        """The variants of the run by the name that each bears as a data set; several models may share one."""
        return {variant_name(entry): entry for entry in self.run.ablations}

    def reduced(self, name: str) -> int | None:
        """Pixels to which a data set's images are reduced first (Section 4.1); None for all but such variants."""
        return self.variants[name].downsample_to if name in self.variants else None

    @property
    def has_binding(self) -> bool:
        """Whether the run asks for the attribute-binding tasks on rendered scenes."""
        return bool(self.run.attribute_binding and self.run.attribute_binding.examples_per_task)

    @property
    def scene_sets(self) -> list[str]:
        """The data sets of scenes, each with binding tasks of its own: rendered, and Lewis et al.'s."""
        lewis = bool(self.run.attribute_binding and self.run.attribute_binding.lewis)
        return [name for name, asked in ((SCENES, self.has_binding), (LEWIS, lewis)) if asked]

    def unknown(self, scenes: str) -> list[str]:
        """What nobody knows of the objects in a data set of scenes."""
        return list(UNKNOWN_ATTRIBUTES) if scenes == LEWIS else []

    def per_task(self, scenes: str) -> int | None:
        """Scenes of each binding task; None: all that it can use. Lewis et al.'s are counted in images, all with objects that differ."""
        return None if scenes == LEWIS else self.run.attribute_binding.examples_per_task

    def scene_tables(self, scenes: str) -> list[str]:
        """The files that hold a data set of scenes before it has prompts."""
        return [f"{self.folder}/data/{LEWIS}/scenes.parquet"] if scenes == LEWIS else self.scene_shards()

    @cached_property
    def scenes(self) -> int:
        """Scenes to render: of each two about one serves the tasks with Size, and they must not fall short by chance.

        2 n + 6 sqrt(n) lie more than four standard deviations of that chance above what n examples need.
        """
        needed = self.run.attribute_binding.examples_per_task if self.has_binding else 0
        return 2 * needed + math.ceil(6 * math.sqrt(needed)) + 12 if needed else 0

    def scene_shards(self) -> list[str]:
        """The files of the rendered scenes."""
        shards = math.ceil(self.scenes / self.run.attribute_binding.scenes_per_job)
        return [f"{self.folder}/data/{SCENES}/rendered/{k}-of-{shards}.parquet" for k in range(1, shards + 1)]

    def _raced(self, model: str, dataset: str, seed: int, policy: Policy, noise_of: str | None = None) -> Scoring:
        """A scoring under a policy block. Which classes a race drops, and so which scores it takes, depends on the weighting."""
        weighting = self.run.weighting if policy.drops_classes else None
        return Scoring(model, dataset, seed, policy, weighting, noise_of=noise_of)

    @cached_property
    def main(self) -> list[Scoring]:
        """The scorings behind Tables 1 and 3."""
        run = self.run
        scorings = [self._raced(m, d, s, run.policy) for m in run.models for d in run.datasets for s in run.noise_seeds]
        for name in self.scene_sets:
            models, policy = run.attribute_binding.models or run.models, run.attribute_binding.policy
            scorings += [self._raced(m, name, s, policy) for m in models for s in run.noise_seeds]
        return scorings

    def efficiency(self, model: str, dataset: str) -> tuple[Scoring, Scoring]:
        """The unpruned scorings of a Figure 2: shared noise, unshared noise."""
        entry = next(e for e in self.run.figure2_efficiency if (e.model, e.dataset) == (model, dataset))
        common = (model, dataset, self.run.noise_seeds[0], Full(max_scores=entry.draws), None)
        return tuple(Scoring(*common, unshared=unshared, first=entry.n_images) for unshared in (False, True))

    @cached_property
    def scorings(self) -> dict[tuple[str, str, int, str], Scoring]:
        """Every scoring of the run by (model, data set, seed, race)."""
        extra = [s for e in self.run.figure2_efficiency for s in self.efficiency(e.model, e.dataset)]
        return {(s.model, s.dataset, s.seed, s.race): s for s in [*self.main, *extra, *self.unpruned, *self.varied]}

    @cached_property
    def unpruned(self) -> list[Scoring]:
        """The unpruned scorings with shared noise, the largest of each model and data set."""
        found: dict[tuple[str, str], Scoring] = {}
        for entry in [*self.run.figure2_efficiency, *self.run.full_scoring]:
            scoring = Scoring(
                entry.model,
                entry.dataset,
                self.run.noise_seeds[0],
                Full(max_scores=entry.draws),
                None,
                first=entry.n_images,
            )
            known = found.get((entry.model, entry.dataset))
            if known is None or entry.n_images * entry.draws > known.first * known.policy.max_draws:
                found[entry.model, entry.dataset] = scoring
        return list(found.values())

    @cached_property
    def varied(self) -> list[Scoring]:
        """The scorings of the variants, each with the first seed and the noise of the plain data set."""
        policy, seed = self.run.policy, self.run.noise_seeds[0]
        return [self._raced(v.model, variant_name(v), seed, policy, v.dataset) for v in self.run.ablations]

    def image_count(self, scoring: Scoring) -> int:
        """Upper bound of the images of a scoring, known before any data is there; small data sets leave shards short."""
        if scoring.dataset in self.scene_sets:
            return self.scenes if scoring.dataset == SCENES else self.run.attribute_binding.lewis.max_images
        images = scoring.first or self.run.max_images
        return min(images, self.dataset(scoring.dataset).test_size or images)

    def calls_an_image(self, scoring: Scoring) -> float:
        """Calls of all races of one image before anything is measured."""
        return self.tasks(scoring.dataset) * scoring.policy.expected_calls(self.classes(scoring.dataset))

    def shard_count(self, scoring: Scoring) -> int:
        """Shards of a scoring: as few as `max_images_per_job` and `max_calls_per_job` allow.

        The number depends on the configuration alone, so that a measurement changes no path."""
        most = min(self.run.max_images_per_job, max(1, int(self.run.max_calls_per_job // self.calls_an_image(scoring))))
        return math.ceil(self.image_count(scoring) / most)

    def guessed_calls_a_shard(self, scoring: Scoring) -> float:
        """Calls of the largest shard before anything is measured; the images are dealt evenly."""
        return math.ceil(self.image_count(scoring) / self.shard_count(scoring)) * self.calls_an_image(scoring)

    def classes(self, dataset: str) -> int:
        """Classes among which a race of the data set decides; for scenes, a true and a false sentence."""
        return 2 if dataset in self.scene_sets else len(set(self.dataset(dataset).classnames))

    def tasks(self, dataset: str) -> int:
        """The binding tasks of a data set of scenes; of any other there is one."""
        return len(tasks_without(self.unknown(dataset))) if dataset in self.scene_sets else 1

    def races(self, scoring: Scoring, images: int) -> int:
        """The races that a scoring of so many images decides: one an image, for scenes one a task and example."""
        examples = self.per_task(scoring.dataset) if scoring.dataset in self.scene_sets else None
        return self.tasks(scoring.dataset) * min(images, examples or images)

    def shards(self, scoring: Scoring) -> list[str]:
        """The score files of a scoring, one a cluster job."""
        count = self.shard_count(scoring)
        folder = f"{self.folder}/scores/{scoring.model}/{scoring.dataset}/seed{scoring.seed}/{scoring.race}"
        return [f"{folder}/{k}-of-{count}.parquet" for k in range(1, count + 1)]

    def predictions(self, scoring: Scoring) -> str:
        """The predictions of a scoring under the run's weighting."""
        folder = f"{self.folder}/predictions/{scoring.model}/{scoring.dataset}/seed{scoring.seed}/{scoring.race}"
        return f"{folder}/{self.run.weighting.slug}.parquet"

    def clip_predictions(self, dataset: str) -> dict[str, str]:
        """The baselines' prediction files on a data set, by the name they bear in tables."""
        names = self.run.baselines
        if dataset in self.scene_sets and self.run.attribute_binding.baselines is not None:
            names = self.run.attribute_binding.baselines
        settings = [
            (name, via) for name in names if self.answers(name, dataset) for via in self.baseline(name).downsample_to
        ]
        return {
            name
            if via is None
            else f"{name}@{via}": f"{self.folder}/baselines/{name}/{dataset}/via-{via or 'none'}.parquet"
            for name, via in settings
        }
