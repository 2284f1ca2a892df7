"""Generate the JSON schema and the documentation of all keys from the classes."""

import json
from typing import Any

from pydantic.json_schema import models_json_schema

from diffzero.config import models, run, studies
from diffzero.data.dataset import Dataset
from diffzero.data.sources import SOURCES
from diffzero.data.sources.archive import Download
from diffzero.diffusion.weighting import WEIGHTINGS
from diffzero.pruning.policies import POLICIES, Stage
from diffzero.utils.fields import MAX_COUNT, MAX_SEED
from diffzero.utils.frozen_model import FrozenModel

_RUN: tuple[type[FrozenModel], ...] = (
    run.Run,
    *POLICIES.values(),
    Stage,
    *WEIGHTINGS.values(),
    studies.AttributeBinding,
    studies.Lewis,
    studies.Figure2Efficiency,
    studies.FullScoring,
    studies.Ablation,
    studies.Figure3Denoised,
    studies.Figure6Samples,
    run.CostEstimate,
)
_MODEL: tuple[type[FrozenModel], ...] = (models.Diffusion, models.Mirror, models.Clip, models.Supervised)
_DATASET: tuple[type[FrozenModel], ...] = (Dataset, *SOURCES.values(), Download)
_CHAPTERS: tuple[tuple[str, tuple[type[FrozenModel], ...]], ...] = (
    ("A run: config/config.yaml, config/demo.yaml", _RUN),
    ("A model: config/models/NAME.yaml", _MODEL),
    ("A data set: config/datasets/NAME.yaml", _DATASET),
)
BLOCKS = tuple(block for _, chapter in _CHAPTERS for block in chapter)
_OPENING = """# Configuration

All keys of all configuration files. `make config-docs` generates this page from the classes of the blocks; change
those, not this page. Keys that are not listed here are refused. Conditions on several keys (e.g. the model of a figure
must be a model of the run) are checked when the configuration is loaded. Numbers are at most 1,000,000,000, seeds at most
2^63 - 1. Anchors, aliases and merge keys (`<<`) are allowed; a key that is written twice is an error.
"""
_BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a run; those of all blocks are under `$defs`."""
    _, schema = models_json_schema([(block, "validation") for block in BLOCKS])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "diffzero",
        "$ref": "#/$defs/Run",
        **schema,
    }


def markdown() -> str:
    """Return the documentation of every key (type, default, meaning) as a Markdown page."""
    definitions = json_schema()["$defs"]
    parts = [_OPENING]
    for title, blocks in _CHAPTERS:
        parts.append(f"## {title}\n")
        parts += [_table(block.__name__, definitions[block.__name__]) for block in blocks]
    return "\n".join(parts)


def _table(name: str, definition: dict[str, Any]) -> str:
    """Return the section of one block: its heading, its description and a table with a row per key."""
    rows = [
        f"### {name}\n",
        definition["description"] + "\n",
        "| key | type | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for key, rule in definition["properties"].items():
        default = "required" if key in definition.get("required", ()) else _default(rule["default"])
        meaning = " ".join(rule["description"].split()).replace("|", "\\|")
        rows.append(f"| `{key}` | {_type(rule)} | {default} | {meaning} |")
    return "\n".join(rows) + "\n"


def _default(value: Any) -> str:
    """Return a default value as written in YAML. The defaults of a block are in its own table."""
    if isinstance(value, dict):
        return f"kind `{value['kind']}`" if "kind" in value else "its defaults"
    return f"`{json.dumps(value)}`"


def _type(rule: dict[str, Any]) -> str:
    """Return the type of a key as text."""
    if "$ref" in rule:
        name = rule["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf"):
        if several in rule:
            return " or ".join(_type(one) for one in rule[several])
    if "const" in rule or "enum" in rule:
        return " or ".join(f"`{value}`" for value in rule.get("enum", [rule.get("const")]))
    if rule["type"] == "array":
        return f"list of ({_type(rule['items'])})"
    common = (MAX_COUNT, MAX_SEED)  # stated once, at the top of the page
    bounds = " and ".join(
        f"{sign} {rule[bound]}" for bound, sign in _BOUNDS.items() if rule.get(bound, MAX_COUNT) not in common
    )
    return f"{rule['type']} {bounds}".strip()
