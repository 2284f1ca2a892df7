"""Check the entries for figures and studies of a run against its models, data sets and number of images."""

import logging

from diffzero.config.base import ConfigError, did_you_mean
from diffzero.config.document import Document
from diffzero.config.run import Run
from diffzero.config.yaml_text import dotted

logger = logging.getLogger(__name__)
NAMED = ("figure2_efficiency", "full_scoring", "ablations", "figure3_denoised", "figure6_samples")
# Lists whose entries use a number of images, with the least that a result can be computed from.
MIN_IMAGES = {"figure2_efficiency": 2, "full_scoring": 2, "figure3_denoised": 1}


def check_entry_names(run: Run, document: Document) -> None:
    """Refuse an entry whose model or data set is not part of the run."""
    for name in NAMED:
        for number, entry in enumerate(getattr(run, name)):
            for key, legal in (("model", run.models), ("dataset", run.datasets)):
                value, keys = getattr(entry, key), (name, number, key)
                if value not in legal:
                    raise ConfigError(
                        f"{document.place(keys)}: '{dotted(keys)}' is '{value}', expected one of '{key}s': "
                        f"{', '.join(legal)}.{did_you_mean(value, legal)}"
                    )


def limit_images(run: Run, document: Document) -> Run:
    """Return the run in which no entry uses more images than `max_images`; log the entries that use fewer than they say.

    A trial or a pilot changes `max_images` alone, and keeps the entries of the whole run.
    """
    limit, place = run.max_images, document.place(("max_images",))
    limited, changed = [], {}
    for name, least in MIN_IMAGES.items():
        entries = list(getattr(run, name))
        for number, entry in enumerate(entries):
            if entry.n_images <= limit:
                continue
            keys = (name, number, "n_images")
            if limit < least:
                raise ConfigError(
                    f"{place}: 'max_images' is {limit}, but '{dotted(keys)}' needs at least {least} images. "
                    f"Raise 'max_images' to {least}, or remove '{name}'."
                )
            entries[number] = entry.model_copy(update={"n_images": limit})
            limited.append(f"'{dotted(keys)}' ({entry.n_images})")
            changed[name] = entries
    if limited:
        logger.warning(
            "diffzero: %s: 'max_images' is %d, so %d images are used for %s.", place, limit, limit, ", ".join(limited)
        )
    return run.model_copy(update=changed)
