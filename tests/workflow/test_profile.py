"""The cluster profile against the workflow that Snakemake itself reads: every rule that wants a GPU goes where there are some."""

from pathlib import Path

import pytest
import yaml
from snakemake.api import SnakemakeApi
from snakemake.iocontainers import Wildcards
from snakemake.resources import Resources
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

ROOT = Path(__file__).parents[2]
CAPS = {"denoise": 7, "samples": 8}  # minutes
PROFILE = yaml.safe_load((ROOT / "slurm" / "config.yaml").read_text())


@pytest.fixture(scope="module")
def rules():
    """The workflow's rules by name."""
    config = ConfigSettings(configfiles=[ROOT / "config" / "config.yaml"])
    caps = {name: Resources.from_mapping({"walltime_cap": minutes}) for name, minutes in CAPS.items()}
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            ResourceSettings(overwrite_resources=caps),
            config_settings=config,
            snakefile=ROOT / "Snakefile",
            workdir=ROOT,
        )
        yield {rule.name: rule for rule in workflow._workflow.rules}


def test_exactly_the_rules_that_want_a_gpu_go_to_the_partition_that_has_some(rules):
    wanting = {name for name, rule in rules.items() if "gpu" in rule.resources}
    assert wanting and wanting == set(PROFILE["set-resources"])
    assert wanting == {name for name, rule in rules.items() if "device" in dict(rule.params.items())}
    partitions = {block["slurm_partition"] for block in PROFILE["set-resources"].values()}
    assert PROFILE["default-resources"]["slurm_partition"] not in partitions


def test_every_script_that_gets_a_device_takes_one_of_its_own(rules):
    for rule in (rule for rule in rules.values() if "device" in dict(rule.params.items())):
        assert "reserve_gpu(" in (ROOT / "rules" / rule.script).read_text(), rule.name


def test_a_rules_time_is_cut_to_its_own_limit(rules):
    for name, minutes in CAPS.items():
        wildcards = Wildcards(fromdict={"model": "stable-diffusion-v1-4", "dataset": "mnist"})
        assert rules[name].expand_resources(wildcards, [], attempt=3)["runtime"] == minutes
