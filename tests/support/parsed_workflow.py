"""The rules as Snakemake itself reads them."""

import functools
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from snakemake.api import SnakemakeApi
from snakemake.resources import Resources
from snakemake.rules import Rule
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings
from snakemake.workflow import Workflow

ROOT = Path(__file__).parents[2]
NO_LIMITS: Mapping[str, int] = MappingProxyType({})


def parse_workflow(config: str, walltime_caps: Mapping[str, int] = NO_LIMITS) -> Workflow:
    """Return the workflow of a shipped configuration. `walltime_caps` are minutes by rule, as a profile sets them."""
    caps = {name: Resources.from_mapping({"walltime_cap": minutes}) for name, minutes in walltime_caps.items()}
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            ResourceSettings(overwrite_resources=caps),
            config_settings=ConfigSettings(configfiles=[ROOT / "config" / config]),
            snakefile=ROOT / "Snakefile",
            workdir=ROOT,
        )
        return workflow._workflow


@functools.cache
def all_rules() -> dict[str, Rule]:
    """Return the rules of the demo and of the paper's run by name; each has some that the other lacks."""
    return {rule.name: rule for config in ("demo.yaml", "config.yaml") for rule in parse_workflow(config).rules}


def script_of(rule: Rule) -> Path | None:
    """Return the script that a rule runs; None for a rule that only names targets."""
    return (Path(rule.snakefile).parent / rule.script).resolve() if rule.script else None
