"""Types of configuration values."""

from typing import Annotated

from pydantic import Field

# Names in paths. They are values of Snakemake's wildcards, whose constraints the Snakefile takes from here.
MODEL_NAME, DATASET_NAME, SLUG = r"[A-Za-z0-9._-]+", r"[A-Za-z0-9_-]+", r"[A-Za-z0-9._+-]+"
RUN_NAME, COMMIT, REPOSITORY = r"^[a-z0-9-]+$", r"^[0-9a-f]{40}$", r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$"
DEVICE = r"^(auto|cpu|cuda(:[0-9]+)?)$"
TEXT = r"^[^\x00-\x1f\x7f]*$"
DIGEST, URL = r"^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$", r"^https?://[^\s]+$"
# How an error message describes each pattern.
PATTERN_MEANINGS = {
    MODEL_NAME: "letters, digits and . _ -",
    DATASET_NAME: "letters, digits and _ -",
    SLUG: "letters, digits and . _ + -",
    RUN_NAME: "lower-case letters, digits and hyphens",
    COMMIT: "the 40 hexadecimal digits of a commit (a branch or a tag may move)",
    REPOSITORY: "owner/name",
    DEVICE: "auto, cpu, cuda or cuda:N",
    TEXT: "text on one line without control characters",
    DIGEST: "sha256: or md5:, followed by the hexadecimal digits",
    URL: "a URL that starts with http:// or https://",
}

# Bounds far above any real value: a number with a few digits too many must not become a run of endless jobs.
MAX_COUNT, MAX_SEED = 1_000_000_000, 2**63 - 1
Index = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]
Several = Annotated[int, Field(ge=2, le=MAX_COUNT)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Text = Annotated[str, Field(min_length=1, pattern=TEXT)]
Commit = Annotated[str, Field(pattern=COMMIT)]
Repository = Annotated[str, Field(pattern=REPOSITORY)]
Digest = Annotated[str, Field(pattern=DIGEST)]
Url = Annotated[str, Field(pattern=URL)]
