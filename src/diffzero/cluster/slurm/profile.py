"""The time limit of a rule's jobs, as slurm/config.yaml and SLURM state it, also for a Snakemake that submits nothing."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml

from diffzero.cluster.slurm import queue
from diffzero.cluster.slurm.settings import PROFILE
from diffzero.workflow.plan_shards import JobLimit
from diffzero.workflow.resources import MAX_MINUTES


def read_profile(path: Path, rule: str) -> tuple[dict[str, object], int]:
    """Return the resources that a profile sets for a rule (its own, else the defaults), and its retries.

    Raises
    ------
    SlurmError
        If the file is no YAML mapping.
    """
    try:
        profile = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        return {}, 0
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise queue.SlurmError(
            f"{path}: found no valid YAML ({error}). Correct it, e.g. from the repository."
        ) from error
    if not isinstance(profile, Mapping):
        raise queue.SlurmError(f"{path}: found a {type(profile).__name__}, expected keys such as default-resources.")
    blocks = [profile.get("default-resources") or {}, (profile.get("set-resources") or {}).get(rule) or {}]
    return {name: value for block in blocks for name, value in block.items()}, int(profile.get("retries") or 0)


def job_limit(root: Path, rule: str, overrides: Mapping[str, object]) -> JobLimit:
    """Return the time limit of a rule's jobs: the shorter of the profile's walltime_cap and the partition's own limit.

    Parameters
    ----------
    root
        The folder that holds slurm/config.yaml.
    rule
        The rule.
    overrides
        Resources that the command line or another profile sets for the rule.

    Raises
    ------
    SlurmError
        If the profile cannot be read or a limit is not a number.
    """
    site, retries = read_profile(root / PROFILE, rule)
    site |= overrides
    cap = site.get("walltime_cap", MAX_MINUTES)
    if not str(cap).isdigit() or int(str(cap)) < 1:
        raise queue.SlurmError(f"{PROFILE}: found walltime_cap {cap!r}, expected minutes, e.g. {MAX_MINUTES}.")
    source = f"walltime_cap in {PROFILE}" if "walltime_cap" in site else "assumed: no walltime_cap in the profile"
    partition = str(site.get("slurm_partition", "")).strip("\"'")
    limit, notes = _partition_limit(partition) if partition else (None, [])
    if limit is not None and limit < int(str(cap)):
        return JobLimit(limit, f"limit of the partition {partition}, from sinfo", retries, notes)
    return JobLimit(int(str(cap)), source, retries, notes)


def _partition_limit(partition: str) -> tuple[int | None, list[str]]:
    """Return the limit of a partition in minutes, and why it is unknown."""
    if shutil.which("sinfo") is None:
        return None, [f"The limit of the partition {partition} itself is unknown: there is no `sinfo` on this machine."]
    try:
        return queue.partition_time_limit(partition), []
    except queue.SlurmError as error:
        reason = str(error).splitlines()[0]
        return None, [
            f"The limit of the partition {partition} itself is unknown, because sinfo does not answer ({reason})."
        ]
