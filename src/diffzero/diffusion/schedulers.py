"""Schedulers of diffusers: those whose schedule is read, and why others are refused."""

FLOW_SCHEDULER = "FlowMatchEulerDiscreteScheduler"
# diffusers' samplers with betas whose networks are given x_t and its integer timestep. They differ in their steps, not in alpha and sigma.
VP_SCHEDULERS = (
    "DDPMScheduler",
    "DDIMScheduler",
    "PNDMScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "LMSDiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "UniPCMultistepScheduler",
)
_DISTILLED = (
    "its network is distilled for a few steps: the sampler mixes the output with x_t, and the denoising error at any t says nothing about "
    "a prompt. Use the model that it was distilled from."
)
_SECOND_ORDER = (
    "its sampler calls the network between the timesteps of its betas, which is not supported. The model does not depend on the sampler: "
    "write EulerDiscreteScheduler as `_class_name` into scheduler_config.json and as `scheduler` into model_index.json, and keep the betas."
)
_EDM = "its network is given noise levels with EDM's preconditioning (Karras et al. 2022) instead of timesteps, which is not supported."
# Why other schedulers are refused.
REFUSED_SCHEDULERS = {
    "LCMScheduler": _DISTILLED,
    "TCDScheduler": _DISTILLED,
    "HeunDiscreteScheduler": _SECOND_ORDER,
    "KDPM2DiscreteScheduler": _SECOND_ORDER,
    "KDPM2AncestralDiscreteScheduler": _SECOND_ORDER,
    "EDMEulerScheduler": _EDM,
    "EDMDPMSolverMultistepScheduler": _EDM,
    "CMStochasticIterativeScheduler": _DISTILLED,
}


def require_known_scheduler(name: str) -> None:
    """Raise ValueError with the reason if the schedule of diffusers' class `name` is not supported."""
    if name in (*VP_SCHEDULERS, FLOW_SCHEDULER):
        return
    reason = REFUSED_SCHEDULERS.get(
        name,
        "predictions with this one are not compared with diffusers'. If its network is given x_t and the integer timestep, write one of "
        "these classes into scheduler_config.json and model_index.json, with the same betas; otherwise add a class for its schedule to "
        "diffzero.diffusion.schedule.",
    )
    raise ValueError(f"found {name}, expected one of {', '.join((*VP_SCHEDULERS, FLOW_SCHEDULER))}: {reason}")
