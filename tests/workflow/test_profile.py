"""The cluster profile against the rules that Snakemake reads: every rule that needs a GPU goes to a partition with GPUs."""

import re

import pytest
import yaml
from snakemake.iocontainers import Wildcards
from snakemake.rules import Rule

from parsed_workflow import ROOT, all_rules, parse_workflow, script_of

CAPS = {"encode_images": 7, "score": 8}  # minutes
PER_MODEL = re.compile(r"(run_baseline|generate_images)_.+")
PROFILE = yaml.safe_load((ROOT / "slurm" / "config.yaml").read_text())


def base_name(rule: str) -> str:
    """Return the name in the profile of a rule, which may exist once per model."""
    match = PER_MODEL.fullmatch(rule)
    return match[1] if match else rule


def device_rules() -> dict[str, Rule]:
    return {name: rule for name, rule in all_rules().items() if "device" in dict(rule.params.items())}


def test_exactly_the_rules_that_need_a_gpu_go_to_the_partition_with_gpus():
    needing = {base_name(name) for name, rule in all_rules().items() if "gpu" in rule.resources}
    assert needing and needing == set(PROFILE["set-resources"])
    assert needing == set(map(base_name, device_rules()))
    partitions = {block["slurm_partition"] for block in PROFILE["set-resources"].values()}
    assert PROFILE["default-resources"]["slurm_partition"] not in partitions


def test_every_script_that_gets_a_device_reserves_a_gpu():
    for name, rule in device_rules().items():
        assert "reserve_gpu(" in script_of(rule).read_text(), name


def test_the_run_time_of_a_rule_is_cut_to_its_own_limit():
    rules = {rule.name: rule for rule in parse_workflow("config.yaml", CAPS).rules}
    race = "shared-ttest-20-2000-0.002-heuristic-7"
    wildcards = {"model": "stable-diffusion-v1-4", "dataset": "mnist", "seed": "0", "race": race}
    for name, minutes in CAPS.items():
        assert rules[name].expand_resources(Wildcards(fromdict=wildcards), [], attempt=3)["runtime"] == minutes


@pytest.mark.parametrize("base", ["run_baseline", "generate_images"])
def test_a_rule_per_model_gets_the_resources_that_the_profile_sets_for_all_of_them(base):
    rules = {rule.name: rule for rule in parse_workflow("demo.yaml", {base: 7}).rules}
    mine = [rule for name, rule in rules.items() if base_name(name) == base]
    assert mine and all(rule.resources["walltime_cap"].raw == 7 for rule in mine)
    assert all(rule.expand_resources(Wildcards(), [], attempt=3)["runtime"] == 7 for rule in mine)
