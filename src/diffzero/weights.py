"""Where a model's weights are, checked before anything is computed with them."""

from pathlib import Path

from diffzero.checkpoint import CheckpointError, adapter_of, digest
from diffzero.config import Diffusion

# Weights as safetensors and the text files beside them: nothing that would have to be unpickled.
ALLOWED = ["*.json", "*.txt", "*.model", "*.safetensors"]


def locate(model: Diffusion, root: Path) -> Path:
    """The checkpoint folder of a model: its local path, else its hub repository or the first mirror that answers, downloaded."""
    if model.path:
        return root / model.path
    from huggingface_hub import snapshot_download  # slow to import, and most jobs find a local path

    sources = [(model.hub, model.revision), *((mirror.hub, mirror.revision) for mirror in model.mirrors)]
    failures = []
    for hub, revision in sources:
        try:
            return Path(snapshot_download(hub, revision=revision, allow_patterns=ALLOWED))
        except (OSError, ValueError) as error:  # huggingface_hub's errors: network, 401, 403, 404, no such revision
            failures.append(f"{hub}@{revision[:12]}: {type(error).__name__}: {str(error).splitlines()[0]}")
    login = " It is gated: accept its licence on the hub and set HF_TOKEN." if model.gated else ""
    raise CheckpointError(
        f"{model.title}: no source gave the weights.{login} Or download them by hand and set `path` in its YAML. Tried: "
        + "; ".join(failures)
    )


def inspect(model: Diffusion, root: Path) -> dict[str, str]:
    """Folder, family and digest of a model's checkpoint, for the jobs that use it. Raises CheckpointError."""
    folder = locate(model, root)
    _, adapter = adapter_of(folder)
    return {"folder": str(folder), "family": adapter, "digest": digest(folder)}
