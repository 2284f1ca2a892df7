"""A repository of the local hub, and how tests download from it."""

import hashlib
from pathlib import Path

from diffzero.download.http import RetryPolicy
from diffzero.download.hub import HubRepo
from hub_server import REVISION

NAME, TOKEN = "owner/weights", "hf_SecretSecretSecret"
REPO, DATA = HubRepo(NAME, REVISION, "model"), HubRepo(NAME, REVISION, "dataset")
BIG = bytes(range(256)) * 12000  # 3 MB
QUICK = RetryPolicy(timeout=0.5, max_attempts=4, pause=0.01, min_bytes_per_second=1000, window=0.4)
LARGE, SMALL = "unet/model.safetensors", "model_index.json"


def get(name: str = LARGE, retry_policy: RetryPolicy = QUICK) -> Path:
    """Download a file of the repository."""
    return REPO.download_file(name, retry_policy)


def digest_of(data: bytes, kind: str = "sha256") -> str:
    """Return a digest as the configuration writes it."""
    return f"{kind}:{hashlib.new(kind, data).hexdigest()}"
