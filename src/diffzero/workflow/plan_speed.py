"""How fast a model is on the planned device: measured, or from the FLOPs of its network."""

import math
from dataclasses import dataclass

import pandas as pd

from diffzero.models.errors import CheckpointError
from diffzero.workflow import resources
from diffzero.workflow.experiment import Experiment

# Peak TFLOP/s in half precision without sparsity, from the manufacturers' data sheets; the CPU is a guess for one core.
DEVICES = {
    "V100": 112,
    "A100": 312,
    "L40S": 362,
    "H100": 989,
    "H200": 989,
    "RTX 4090": 165,
    "cpu": resources.CPU_TFLOPS,
}


class PlanError(ValueError):
    """The plan cannot be made, or its jobs outlast the site's limit; the message says what to change."""


@dataclass(frozen=True)
class Speed:
    """The speed of a model on the planned device."""

    calls_per_s: float  # NaN if it is neither measured nor are the FLOPs known
    source: str  # what it is based on


def count_model_gflops(experiment: Experiment, name: str) -> tuple[float, str]:
    """Return the GFLOPs per call of a model and their source; NaN with the reason if they are unknown.

    `gflops` of the model's YAML comes first. Otherwise they are counted from the configurations in the model's `path`.
    """
    model = experiment.model(name)
    if model.gflops:
        return model.gflops, f"`gflops` in config/models/{name}.yaml"
    checkpoint_dir = experiment.root / model.path if model.path else None
    if checkpoint_dir is None or not checkpoint_dir.is_dir():
        return math.nan, "its weights are not in a local folder"
    try:
        # Imported here, because importing PyTorch takes seconds, and with `--sdm conda` plans run without it.
        from diffzero.models.flops import count_gflops

        return count_gflops(checkpoint_dir, model.resolution), "counted from the checkpoint's configuration"
    except (CheckpointError, ImportError, NotImplementedError, OSError, ValueError, KeyError, TypeError) as error:
        return math.nan, f"they cannot be counted ({type(error).__name__}: {error})"


def estimate_speed(experiment: Experiment, model: str, costs: pd.DataFrame) -> Speed:
    """Return the speed of a model on the planned device.

    `costs` is from `read_costs`. Raises PlanError for a device that is neither measured nor among DEVICES.
    """
    device, utilization = experiment.run.cost_estimate.device, experiment.run.cost_estimate.utilization
    rows = costs[(costs["model"] == model) & costs["device"].str.contains(device, case=False, regex=False)]
    if rows["network_seconds"].sum() > 0:
        calls = (rows["calls"] + rows["reused"]).sum()
        source = f"measured: {int(calls):,} calls on {rows['device'].iloc[0]}"
        return Speed(calls / rows["network_seconds"].sum(), source)
    if device not in DEVICES:
        raise PlanError(
            f"cost_estimate.device: found '{device}', on which {model} has not been measured, expected a device of a run below "
            f"'{experiment.run.results}' or one of {', '.join(DEVICES)}. Run a pilot on it, or change the configuration."
        )
    gflops, source = count_model_gflops(experiment, model)
    if math.isnan(gflops):
        return Speed(
            math.nan,
            f"unknown: its FLOPs are unknown, because {source}. Run a pilot, or write `gflops` into config/models/{model}.yaml",
        )
    known = experiment.model(model).model_copy(update={"gflops": gflops})
    speed = resources.calls_per_second(known, DEVICES[device], utilization)
    peak = f"{DEVICES[device]:g} TFLOP/s" + (" of one core (a guess)" if device == "cpu" else " (data sheet, float16)")
    return Speed(
        speed,
        f"assumed: {gflops:,.{0 if gflops >= 100 else 2}f} GFLOPs per call ({source}), utilization {utilization:.0%} of {peak}",
    )
