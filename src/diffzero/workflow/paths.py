"""Build the paths of a run's files. They are strings, as in Snakemake's rules."""

from dataclasses import dataclass
from pathlib import Path

from diffzero.binding.lewis import LEWIS
from diffzero.config import Ablation
from diffzero.diffusion.weighting import Weighting
from diffzero.workflow.scoring_spec import Scoring

SCENES = "scenes"  # the data set of the attribute-binding tasks on rendered scenes
_FULL_RESOLUTION = "full-resolution"  # stem of the predictions of a baseline on images that are not downsampled
_DOWNSAMPLED = "downsampled-"


def ablation_name(ablation: Ablation) -> str:
    """Return the data set name of an ablation, as used in paths and tables."""
    if ablation.downsample_to:
        return f"{ablation.dataset}-downsampled-{ablation.downsample_to}"
    return f"{ablation.dataset}-template-{ablation.prompt_template}"


def downsample_to_of(path: Path) -> int | None:
    """Return the size in pixels to which images were downsampled for a file of baseline predictions; None: no downsampling."""
    return None if path.stem == _FULL_RESOLUTION else int(path.stem.removeprefix(_DOWNSAMPLED))


@dataclass(frozen=True)
class RunPaths:
    """The paths below the folder of a run, `run_dir`."""

    run_dir: str

    def images(self, dataset: str) -> str:
        """Return the path of the selected test images of a data set."""
        return f"{self.run_dir}/data/{dataset}/images.parquet"

    def prompts(self, dataset: str) -> str:
        """Return the path of the prompts of a data set."""
        return f"{self.run_dir}/data/{dataset}/prompts.json"

    def items(self, dataset: str) -> str:
        """Return the path of the items of a data set."""
        return f"{self.run_dir}/data/{dataset}/items.parquet"

    def selection(self, dataset: str) -> str:
        """Return the path of the record of the selected test images of a data set."""
        return f"{self.run_dir}/data/{dataset}/selection.json"

    def weights(self, model: str) -> str:
        """Return the path of the record of a model's checkpoint."""
        return f"{self.run_dir}/weights/{model}.json"

    def rendered_scenes(self, count: int) -> list[str]:
        """Return the paths of the `count` files of rendered scenes."""
        return [f"{self.run_dir}/data/{SCENES}/rendered/{k}-of-{count}.parquet" for k in range(1, count + 1)]

    def lewis_scenes(self) -> str:
        """Return the path of the scenes of Lewis et al."""
        return f"{self.run_dir}/data/{LEWIS}/scenes.parquet"

    def scores(self, scoring: Scoring, count: int) -> list[str]:
        """Return the paths of the `count` score shards of a scoring."""
        return [f"{self._of_scoring('scores', scoring)}/{k}-of-{count}.parquet" for k in range(1, count + 1)]

    def predictions(self, scoring: Scoring, weighting: Weighting) -> str:
        """Return the path of the predictions of a scoring under a weighting."""
        return f"{self._of_scoring('predictions', scoring)}/{weighting.slug}.parquet"

    def _of_scoring(self, kind: str, scoring: Scoring) -> str:
        return f"{self.run_dir}/{kind}/{scoring.model}/{scoring.dataset}/seed{scoring.seed}/{scoring.slug}"

    def baseline_predictions(self, baseline: str, dataset: str, downsample_to: int | None) -> str:
        """Return the path of the predictions of a baseline on images that are first downsampled to `downsample_to` pixels."""
        stem = f"{_DOWNSAMPLED}{downsample_to}" if downsample_to else _FULL_RESOLUTION
        return f"{self.run_dir}/baselines/{baseline}/{dataset}/{stem}.parquet"

    def pictures(self, kind: str, model: str, dataset: str) -> str:
        """Return the path of the pictures of Figure 3 (`denoised`) or Figure 6 (`samples`)."""
        return f"{self.run_dir}/{kind}/{model}/{dataset}.safetensors"

    def table(self, name: str, suffix: str) -> str:
        """Return the path of a result table."""
        return f"{self.run_dir}/tables/{name}.{suffix}"

    def model_vs_human(self, dataset: str, model: str, session: int) -> str:
        """Return the path of a model's decisions on cue-conflict images as model-vs-human reads them."""
        return f"{self.run_dir}/tables/model-vs-human/{dataset}/cue-conflict_{model}_session_{session}.csv"

    def figure(self, stem: str, suffix: str) -> str:
        """Return the path of a figure."""
        return f"{self.run_dir}/figures/{stem}.{suffix}"
