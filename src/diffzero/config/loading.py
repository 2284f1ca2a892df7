"""Load and check the configuration of a run, a model or a data set."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from diffzero.config import entries
from diffzero.config.base import ConfigError, did_you_mean, nearest_first
from diffzero.config.document import DOCS, Document, merge_documents, read_document, read_override
from diffzero.config.messages import format_errors
from diffzero.config.models import Baseline, Diffusion, Model
from diffzero.config.run import Run
from diffzero.config.yaml_text import Keys, dotted
from diffzero.data.dataset import Dataset
from diffzero.utils.fields import DATASET_NAME, MODEL_NAME, PATTERN_MEANINGS

T = TypeVar("T")
NAME_PATTERNS = {"model": MODEL_NAME, "dataset": DATASET_NAME}


def load_run(source: Mapping[str, Any] | str | Path, root: Path, where: str = "configuration") -> Run:
    """Load a run and check all models and data sets that it names.

    Parameters
    ----------
    source
        A YAML file relative to `root`, or the content of one.
    root
        The folder that holds `config`.
    where
        The name of the content in messages.

    Raises
    ------
    ConfigError
        With one line per mistake.
    """
    document = Document(where, source) if isinstance(source, Mapping) else read_document(root / source, root)
    return _load_run(document, root)


def load_merged_run(files: Sequence[str | Path], overrides: Sequence[str], root: Path) -> Run:
    """Load a run as Snakemake merges it from several files and the KEY=VALUE entries of `--config`; later ones take precedence.

    Read from the files again and not taken from Snakemake, which keeps neither lines nor repeated keys. Raises ConfigError.
    """
    documents = [read_document(root / file, root) for file in files]
    return _load_run(merge_documents([*documents, *map(read_override, overrides)]), root)


def _load_run(document: Document, root: Path) -> Run:
    run: Run = _validate(Run, document)
    binding = run.attribute_binding
    _check_models(("models",), run.models, document, root)
    _check_models(("baselines",), run.baselines, document, root)
    _check_models(("attribute_binding", "models"), (binding and binding.models) or [], document, root)
    _check_models(("attribute_binding", "baselines"), (binding and binding.baselines) or [], document, root)
    for number, name in enumerate(run.datasets):
        _load_dataset(name, root, document.place(("datasets", number)) + ": ")
    # After the names, so that a misspelt model is reported as such.
    entries.check_entry_names(run, document)
    _check_template_numbers(run, document, root)
    run = entries.limit_images(run, document)
    if binding is None:
        return run
    names = {
        "models": run.models if binding.models is None else binding.models,
        "baselines": run.baselines if binding.baselines is None else binding.baselines,
    }
    return run.model_copy(update={"attribute_binding": binding.model_copy(update=names)})


def load_model(name: str, root: Path) -> Model:
    """Load `config/models/{name}.yaml` under `root`. Raises ConfigError."""
    return _load_model(name, root)


def load_dataset(name: str, root: Path) -> Dataset:
    """Load `config/datasets/{name}.yaml` under `root`. Raises ConfigError."""
    return _load_dataset(name, root)


def load_block(block: type[T], values: Mapping[str, Any], where: str) -> T:
    """Check one block of a configuration, e.g. TTest; messages call the origin of its values `where`. Raises ConfigError."""
    return _validate(block, Document(where, values))


def _load_model(name: str, root: Path, place: str = "") -> Model:
    """Load a model. An error message about its name begins with `place`, where the name is written."""
    _check_name("model", name, root, place)
    model: Model = _validate(Model, read_document(root / "config" / "models" / f"{name}.yaml", root))
    return model


def _load_dataset(name: str, root: Path, place: str = "") -> Dataset:
    """Load a data set. An error message about its name begins with `place`, where the name is written."""
    _check_name("dataset", name, root, place)
    document = read_document(root / "config" / "datasets" / f"{name}.yaml", root)
    dataset = _validate(Dataset, document)
    for number, model in enumerate(dataset.seen_by_models):
        # With a misspelt name, results that are not zero-shot would be shown as such.
        _check_name("model", model, root, document.place(("seen_by_models", number)) + ": ")
    return dataset


def _check_name(kind: str, name: str, root: Path, place: str) -> None:
    """Refuse a name that cannot be part of a path or that has no file."""
    config_dir = f"config/{kind}s"
    pattern = NAME_PATTERNS[kind]
    if not re.fullmatch(pattern, name):
        raise ConfigError(
            f"{place}found the {kind} name '{name}', expected {PATTERN_MEANINGS[pattern]}: it becomes part of paths. "
            f"Rename {config_dir}/{name}.yaml."
        )
    known = sorted(path.stem for path in (root / config_dir).glob("*.yaml"))
    if name not in known:
        listed = ", ".join(nearest_first(name, known)) or "none"
        raise ConfigError(
            f"{place}unknown {kind} '{name}'.{did_you_mean(name, known)} Known {kind}s, the nearest first: {listed}. "
            f"To add one, write {config_dir}/{name}.yaml ({DOCS} lists its keys)."
        )


def _check_models(keys: Keys, names: list[str], document: Document, root: Path) -> None:
    """Refuse a model that is unknown, or of a kind that does not belong to the list under `keys`."""
    expected = Diffusion if keys[-1] == "models" else Baseline
    for number, name in enumerate(names):
        place = f"{document.place((*keys, number))}: "
        model = _load_model(name, root, place)
        if not isinstance(model, expected):
            right = "models" if isinstance(model, Diffusion) else "baselines"
            raise ConfigError(f"{place}'{name}' in '{dotted(keys)}' is a {model.kind} model. List it under '{right}'.")


def _check_template_numbers(run: Run, document: Document, root: Path) -> None:
    """Refuse an ablation with a prompt template that its data set does not have."""
    for number, ablation in enumerate(run.ablations):
        count = len(load_dataset(ablation.dataset, root).prompt_templates)
        if ablation.prompt_template is not None and ablation.prompt_template >= count:
            keys = ("ablations", number, "prompt_template")
            raise ConfigError(
                f"{document.place(keys)}: '{dotted(keys)}' is {ablation.prompt_template}, expected 0 to {count - 1}: "
                f"{ablation.dataset} has {count} templates, counted from 0."
            )


def _validate(block: Any, document: Document) -> Any:
    """Return the settings as frozen objects; raise ConfigError with one line per mistake."""
    try:
        return TypeAdapter(block).validate_python(document.content)
    except ValidationError as error:
        raise ConfigError("\n".join(format_errors(error.errors(), document))) from None
