"""Check that the prompts of a run fit into the text encoders of the models that are on this machine."""

import logging
from pathlib import Path

from diffzero.config import Clip, Diffusion, Model
from diffzero.data.prompts import class_prompts
from diffzero.models.base import PromptTooLongError
from diffzero.models.download import list_repositories
from diffzero.workflow.experiment import Experiment

log = logging.getLogger(__name__)


def find_long_prompts(experiment: Experiment) -> list[str]:
    """Return one message per model and data set whose prompts would be truncated; models that are not on this machine are left out.

    The prompts of the attribute-binding tasks are short sentences of a fixed form and are not checked here.
    """
    pairs = dict.fromkeys((model, dataset) for model, dataset, *_ in experiment.scorings)
    pairs |= dict.fromkeys(
        # A baseline on downsampled images has another name in tables, with the same prompts.
        (model.partition("@")[0], name)
        for name in experiment.run.datasets
        for model in experiment.baseline_predictions(name)
    )
    messages = []
    for name, dataset in pairs:
        try:
            _require_fit(experiment.model_or_baseline(name), experiment, dataset)
        except PromptTooLongError as error:
            messages.append(f"{name} on {error}")
        except (OSError, ValueError, KeyError) as error:  # a broken tokenizer: the run itself will fail with this error
            log.warning("%s on %s: the prompts cannot be checked (%s: %s)", name, dataset, type(error).__name__, error)
    return messages


def _require_fit(model: Model, experiment: Experiment, dataset: str) -> None:
    checkpoint_dir = _local_checkpoint(model, experiment.root)
    if checkpoint_dir is None or dataset in experiment.scene_datasets:
        return
    # Here and not above: the plan and other questions about a run need no text encoders, whose import takes seconds.
    if isinstance(model, Clip):
        from diffzero.baselines.clip import require_clip_prompts_fit

        require_clip_prompts_fit(model, checkpoint_dir, _prompts_of(dataset, experiment), dataset)
    elif isinstance(model, Diffusion):
        from diffzero.models.text_encoders import require_prompts_fit

        require_prompts_fit(checkpoint_dir, _prompts_of(dataset, experiment), dataset)


def _prompts_of(name: str, experiment: Experiment) -> list[str]:
    dataset = experiment.dataset(name)
    return class_prompts(dataset.prompt_templates[dataset.prompt_template], dataset.classnames)["prompts"]


def _local_checkpoint(model: Model, root: Path) -> Path | None:
    """Return the folder of a model's tokenizers, None if they are not on this machine."""
    repositories = [] if model.local_dir else list_repositories(model)
    found = [root / model.local_dir] if model.local_dir else [repo.snapshot_dir for repo in repositories]
    return next((path for path in found if path.is_dir() and _has_tokenizer(model, path)), None)


def _has_tokenizer(model: Model, checkpoint_dir: Path) -> bool:
    # open_clip has the tokenizers of its own architectures.
    return isinstance(model, Clip) or any(path.is_dir() for path in checkpoint_dir.glob("tokenizer*"))
